"""Applications: what a tenant deploys, how it becomes a release, and what keeps its instances running.

Here belong the descriptors App, Release and Domain, the recipes that recognise and build programs, the tasks of a
deployment, and the host's agent. Here does not belong what happens to a request (that is the edge, which follows the
Route and Instance descriptors) nor how a program is isolated (that is a driver's).
"""

from serai.daemon.service import Service

SERVICE = Service(
    name="apps",
    summary="Web applications: build, run, switch, scale, roll back",
    modules={
        "apps.agent": "serai.services.apps.agent:Agent",
        "apps.door": "serai.services.apps.door.module:Door",
    },
    kinds="serai.services.apps.descriptors:KINDS",
    tasks={
        "apps.fetch": "serai.services.apps.tasks:fetch",
        "apps.build": "serai.services.apps.tasks:build",
        "apps.start": "serai.services.apps.tasks:start",
        "apps.check": "serai.services.apps.tasks:check",
        "apps.switch": "serai.services.apps.tasks:switch",
        "apps.drain": "serai.services.apps.tasks:drain",
        "apps.stop": "serai.services.apps.tasks:stop",
        "apps.unpark": "serai.services.apps.tasks:unpark",
        "apps.restart": "serai.services.apps.tasks:restart",
        "apps.run": "serai.services.apps.tasks:run",
        "apps.prune": "serai.services.apps.tasks:clear_releases",
        "apps.remove": "serai.services.apps.tasks:remove",
        "apps.leave": "serai.services.apps.tasks:leave",
        "apps.undelete": "serai.services.apps.tasks:undelete",
        "apps.purge": "serai.services.apps.tasks:purge",
        "*:*": "serai.services.apps.running.tasks:run",
    },
    routes="serai.services.apps.routes:ROUTES",
    commands="serai.services.apps.commands:COMMANDS",
    follow="serai.services.apps.following:follow",
    reseal="serai.services.apps.resealing:reseal",
    attention="serai.services.apps.attention:Watch",
)
