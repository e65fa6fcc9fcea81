"""NATS: the bus that carries the events of the registry, requests to router extensions, and their replies."""
