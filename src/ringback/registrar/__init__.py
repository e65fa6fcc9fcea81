"""The service `registrar-manager`: SIP extensions, their direct addresses and contacts."""
