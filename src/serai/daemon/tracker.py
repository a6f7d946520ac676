"""The error tracker: Sentry's protocol, loaded only where a DSN is set."""

from __future__ import annotations

from collections.abc import Callable, MutableMapping
from importlib import import_module
from typing import Any

from serai.daemon.redact import redact

Track = Callable[[MutableMapping[str, Any]], None]


def tracker(dsn: str, *, host: str, release: str, group: str) -> Track | None:
    """Return what reports a log event of level error, or None without a DSN; sentry-sdk is imported here only."""
    if not dsn:
        return None
    # Several MB of memory in each process: not for those who don't use it.
    sentry_sdk = import_module("sentry_sdk")
    sentry_sdk.init(
        dsn=dsn,
        server_name=host,
        release=release,
        default_integrations=False,
        auto_enabling_integrations=False,
        send_default_pii=False,
        max_breadcrumbs=0,
        before_send=lambda event, _hint: redact(event),
    )

    def track(event: MutableMapping[str, Any]) -> None:
        error = event.get("error")
        with sentry_sdk.new_scope() as scope:
            scope.set_tag("group", group)
            scope.set_context("event", {key: str(value) for key, value in redact(dict(event)).items()})
            if isinstance(error, BaseException):
                sentry_sdk.capture_exception(error, scope=scope)
            else:
                sentry_sdk.capture_message(str(event.get("event")), level="error", scope=scope)

    return track
