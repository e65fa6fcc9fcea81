"""Typed clients of our services, for other Python programs."""
