"""Refusals: phones that an Asterisk did not let in, as all instances know of them."""
