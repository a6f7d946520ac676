"""The error tracker: Sentry's protocol, loaded only where a DSN is set."""

from __future__ import annotations

from collections.abc import MutableMapping
from importlib import import_module
from typing import Any

from serai.daemon.redact import redact

FLUSH_SECONDS = 2.0  # for reports under way when the process ends


class Tracker:
    """Report log events of level error. Made by `tracker`, in the process that reports."""

    def __init__(self, sdk: Any, group: str) -> None:
        self._sdk = sdk
        self._group = group

    def __call__(self, event: MutableMapping[str, Any]) -> None:
        """Report one event; the sending happens in a thread."""
        error = event.get("error")
        with self._sdk.new_scope() as scope:
            scope.set_tag("group", self._group)
            scope.set_context("event", {key: str(value) for key, value in redact(dict(event)).items()})
            if isinstance(error, BaseException):
                self._sdk.capture_exception(error, scope=scope)
            else:
                self._sdk.capture_message(str(event.get("event")), level="error", scope=scope)

    def flush(self) -> None:
        """Wait for what is under way: workers end by _exit, after a bug above all."""
        self._sdk.flush(timeout=FLUSH_SECONDS)


def tracker(dsn: str, *, host: str, release: str, group: str) -> Tracker | None:
    """Return a tracker, or None without a DSN; sentry-sdk is imported here only."""
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
        max_breadcrumbs=0,
        include_local_variables=False,
        before_send=lambda event, _hint: redact(event),
    )
    return Tracker(sentry_sdk, group)
