"""The web console: pages over the API, for people who look after a platform and for their customers.

Here belong pages, forms, templates and assets. Here does not belong any authority, and no store: the console is a
client of the API, as the visitor whose cookies it passes on. What a page shows and does anybody could ask the API for.
"""

from serai.daemon.service import Service

SERVICE = Service(
    name="console", summary="The web console", modules={"console.http": "serai.console.module:ConsoleHttp"}
)
