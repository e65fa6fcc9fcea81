"""The nodes of the router: who is there, and which revision of the registry each serves."""
