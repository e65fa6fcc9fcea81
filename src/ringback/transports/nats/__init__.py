"""NATS: the bus that carries the events of the registry of router extensions."""
