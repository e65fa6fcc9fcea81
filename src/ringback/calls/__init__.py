"""The service `call-manager`: who rings when a call comes in."""
