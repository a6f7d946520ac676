"""A third party's service, found by its entry point."""

from serai.daemon.service import Service

SERVICE = Service(
    name="echoes",
    summary="Answers every request with its process and version",
    modules={"echo.http": "echoes.module:Echo", "echo.single": "echoes.single:Single"},
)
