"""Hosts, cells, placement, isolation: where a tenant's program runs, and what keeps it there."""
