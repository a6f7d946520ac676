"""The shim: one small process per workload, between the agent and the sandbox.

It owns the workload's network namespace, hands out sockets made in there, keeps its output in bounded files, reaps it
and writes how it ended, so that the agent and the supervisor may die and come back. It runs on the system's own
interpreter without site packages, which is why what belongs here imports a handful of built-in modules only (`json`,
`re`, `enum`, `socket` and `signal` would cost a third of its memory and double its start), and nothing of the house.
"""
