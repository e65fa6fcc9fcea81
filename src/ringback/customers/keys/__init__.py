"""Access keys: who may ask, and for whom."""
