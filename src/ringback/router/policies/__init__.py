"""Policies: which router extensions a customer's requests run through, and in which order."""
