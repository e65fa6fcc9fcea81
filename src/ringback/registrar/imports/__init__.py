"""Many extensions or trunks at once: in from a file, and out to one."""
