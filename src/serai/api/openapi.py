"""OpenAPI 3.1 under ``/v1/openapi.json``, generated from the routes and the structs that they take and give."""

from __future__ import annotations

from typing import Any, cast

from litestar import Controller, Request, Response, get
from litestar.openapi import OpenAPIConfig
from litestar.openapi.controller import OpenAPIController

import serai


class Description(Controller):
    """One JSON document; no pages with foreign scripts."""

    @get("/v1/openapi.json", action="schema.read", include_in_schema=False)
    async def openapi(self, request: Request[Any, Any, Any]) -> Response[dict[str, Any]]:
        """Return the description of the API."""
        return Response(request.app.openapi_schema.to_schema(), media_type="application/vnd.oai.openapi+json")


def config() -> OpenAPIConfig:
    """Return how the framework is to describe the API."""
    return OpenAPIConfig(
        title="Serai",
        version=serai.__version__,
        description="Descriptors, actions, tasks and the watch stream of a Serai platform.",
        use_handler_docstrings=True,
        # Its own controller and router would bring pages, and a route that takes every path below their own.
        openapi_controller=cast("type[OpenAPIController]", Description),
    )
