"""The engine for many machines: one PostgreSQL database, opened by the processes of any number of hosts.

Here belong its schema, its statements, the threads that run them, and the nudges between hosts. Here does not belong
anything that another engine would have to do again: that is in `serai.store` above.
"""
