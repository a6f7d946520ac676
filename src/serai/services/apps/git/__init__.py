"""Deploying from a git repository, which a host of the platform fetches in a sandbox of the tenant.

Here belong what a git URL may be, which addresses may be reached, the proxy (the only way out that the sandbox of a
fetch has), and what a deploy token is. Here does not belong the step that uses them (`serai.services.apps.fetching`),
what runs inside the sandbox (`serai.services.apps.launchers.fetch`), nor what happens with the files: they are a tar
stream like any upload, and as little trusted.
"""
