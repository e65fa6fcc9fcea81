"""The service `call-manager`: who rings when a call comes in, and what becomes of calls."""
