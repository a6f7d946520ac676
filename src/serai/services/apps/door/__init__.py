"""The door at which an application reaches the platform: a Unix socket in each of its sandboxes.

Which application asks is known by which socket it asks at; it may touch what is its own and nothing else. Here belong
the folders of the sockets, the small HTTP server behind them, and its routes. What an application may do there is said
by the role "app" (`serai.identity.roles`), and asked in one place.
"""
