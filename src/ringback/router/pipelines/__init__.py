"""Pipelines: policies compiled against one snapshot of the registry, and requests run through them."""
