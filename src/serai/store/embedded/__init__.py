"""The engine that needs no server: one SQLite file, opened by several processes of one machine.

Here belong the file's schema, its statements and the threads that run them. Here does not belong anything that
another engine would have to do again: that is in `serai.store` above.
"""
