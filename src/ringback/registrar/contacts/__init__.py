"""Contacts: where each phone is right now."""
