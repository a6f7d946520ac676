"""HTTP/1.1 as a pure protocol (RFC 9110, RFC 9112)."""
