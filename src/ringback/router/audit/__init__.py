"""The audit log of the registry: every change, chained, for ever."""
