"""Benchmarks of the registry: what the router promises in figures, measured (router 7)."""
