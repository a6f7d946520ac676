"""Push: events to pages and to applications' visitors, by server-sent events and WebSocket.

Here belongs what carries events: channels, what was said on them lately, the connections of clients, their permission.
Here does not belong what the events are about (that is read from the store, or said by an application), nor how a
connection reaches us (that is ``edge``, which hands it over).
"""

from serai.daemon.service import Service

SERVICE = Service(
    name="push",
    summary="Carries events to pages and visitors by server-sent events and WebSocket",
    modules={
        "push": "serai.services.push.module:PushModule",
        "push.source": "serai.services.push.source_module:SourceModule",
    },
    routes="serai.services.push.routes:ROUTES",
)
