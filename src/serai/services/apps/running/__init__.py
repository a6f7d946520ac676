"""Tasks of tenants' applications: a function or a command, run in the context of a release.

Here belong what such a task may say (`wishes`), the sandboxes that run them one after the other (`runner`, `pool`),
and the task function itself. What runs inside the sandbox is `serai.services.apps.launchers.serai_runner`.
"""
