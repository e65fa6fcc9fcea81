"""The service `router-manager`: the registry of router extensions and what is done with it."""
