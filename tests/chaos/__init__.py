"""Chaos: everything that an installation stands on is killed at random moments, under load, and nothing is lost.

`make chaos SEED=… KILLS=…` plays it longer than `make test` does.
"""
