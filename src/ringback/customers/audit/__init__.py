"""The audit log of everything but the registry of router extensions: who changed what, when and from where."""
