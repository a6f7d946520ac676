"""What tenants get; one folder each. A service never imports another: they meet in the store."""
