"""Numbers over time: what this host, its tenants and their apps did and used, from the last second to the last year.

Here belong who keeps them, what is asked of them, and the machine's own. Here does not belong who counts (the edge, the
agent: they tell by `serai.daemon.figures`), nor how points are stored (`serai.store.series`).
"""

from serai.daemon.service import Service

SERVICE = Service(
    name="series",
    summary="Numbers over time, kept on the machine itself",
    modules={"series": "serai.services.series.module:SeriesModule"},
    routes="serai.services.series.routes:ROUTES",
    commands="serai.services.series.commands:COMMANDS",
)
