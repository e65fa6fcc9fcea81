"""The service `customer-manager`: tenants and their access keys."""
