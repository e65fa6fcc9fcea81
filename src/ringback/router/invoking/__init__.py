"""Calls of router extensions: tries, limits, breakers, and what is counted of them."""
