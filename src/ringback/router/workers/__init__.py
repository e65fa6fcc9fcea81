"""The built-in workers: the processors behind the six initial router extensions."""
