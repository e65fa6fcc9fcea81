"""Drift: SIP rows that are not what our own rows say they should be."""
