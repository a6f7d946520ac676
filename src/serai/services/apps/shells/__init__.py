"""Shells: what somebody runs inside of a running instance, from elsewhere.

Here belong the agent's side (which instance, how many, until when, who is told of its end), and
the API's: where a shell's door is, and who may talk through it. Here does not belong how a program gets inside (that is
a driver's, see `serai.cloud.drivers.Enterable`) nor what is said at its door (`serai.cloud.visiting`).
"""
