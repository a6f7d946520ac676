"""Tenants, principals, roles, and the one `authorize`."""
