"""Setup links: what a phone is set up by, once and within a short time, and the forms that phones read."""
