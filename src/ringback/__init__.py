"""The control plane behind SIP registrars."""

__version__ = "0.1.0"
