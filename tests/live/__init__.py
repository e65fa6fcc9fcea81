"""The same promises against real servers."""
