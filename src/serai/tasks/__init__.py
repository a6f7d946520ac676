"""The task manager: durable units of work, the bots that run them, their story.

A task's function is a plain typed function registered by name; what it does belongs to the service that brings it.
"""
