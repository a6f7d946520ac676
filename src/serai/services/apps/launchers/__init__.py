"""Programs that run inside a tenant's sandbox, in front of or around the tenant's own: mounted at /serai/lib.

They use the standard library only, import nothing of Serai and nothing of each other (but for the runner of tasks,
which loads the client that tasks use), and are run as scripts by the interpreter of a release (`web`, `serai_runner`)
or of the host (`cgi`, `persist`). They hold no secrets and have no rights that the tenant's own code lacks: what they
do wrong harms one release.
"""
