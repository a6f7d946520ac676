"""The edge: what visitors' connections reach first. It terminates TLS and HTTP and leads requests to instances.

Here belongs what every request passes: listening, routes, balancing, static files, certificates, the access log. Here
does not belong how programs are built or run (that is ``apps``), nor HTTP's grammar (``serai.protocols.http``).
"""

from serai.daemon.service import Service

SERVICE = Service(
    name="edge",
    summary="Terminates HTTP and TLS, leads requests to instances, serves static files",
    modules={
        "edge.http": "serai.services.edge.module:EdgeModule",
        "edge.certificates": "serai.services.edge.certificates:CertificatesModule",
    },
)
