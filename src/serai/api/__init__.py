"""The HTTP API: descriptors, actions, watch. Every entrance passes `serai.identity.authorize` here.

Here belong what is uniform for all kinds, tasks, blobs, the watch stream, problem details, and the client that the
command line uses. What a service alone can do (deploy an app) is in that service's ``routes.py``.
"""

from serai.daemon.service import Service

SERVICE = Service(name="api", summary="The HTTP API", modules={"api.http": "serai.api.module:ApiHttp"})
