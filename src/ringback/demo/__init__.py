"""The proof: a real Asterisk and real softphones on loopback, driven by one command."""
