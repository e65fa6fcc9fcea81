"""The public gateway: REST with access keys, tenancy, and its own description."""
