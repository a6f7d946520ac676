"""Torment the whole API by its own description, as an operator at the front door.

Left out of the checks, with the reason:

- ``positive_data_acceptance``: a schema says what is well-formed, and there is more to a meaning (a tenant's descriptor
  lives under its own name, a schedule's time has to come), so 400 is right for some of what fits it.
- ``missing_required_header``: no header is required here.

Left out of the operations: those that end the session or the token that asks, or open streams that never end.
A body that is beyond a bound of its schema may be so large that 413 is right.

What asks the supervisor, or for the file of the keys, may answer 501 and 503: neither is there in a test. The numbers
over time are: they have a module of their own beside the API.

All is the same with each run: nothing is generated from what was answered before, which has times and IDs in it.
``SERAI_TORMENT`` is the number of examples for each operation, for a longer run, which learns from answers, too.
"""

from __future__ import annotations

import asyncio
import os
import zlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import chain
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from serai.api.app import Front
from serai.api.streams import MEDIA_TYPES
from serai.daemon.testing import serving as at_work
from serai.identity import Grant, Principal
from serai.identity.people import Member, User
from serai.identity.principals import Scope
from serai.identity.tokens import issue
from serai.services.series.module import SeriesConfig, SeriesModule

FEW = 2
EXAMPLES = int(os.environ.get("SERAI_TORMENT", str(FEW)))

#: All operations of a path are tormented together, those of several paths side by side. What a path is tormented
#: with does not depend on how many there are.
PARTS = 16

SETTINGS = """
seed = 7
base-url = "http://console.localhost"
headers = {{ Authorization = "Bearer {token}", X-Forwarded-For = "192.0.2.7" }}
request-timeout = 10
continue-on-failure = true

[generation]
max-examples = {examples}
no-shrink = true
deterministic = true

[checks]
positive_data_acceptance.enabled = false
missing_required_header.enabled = false

[checks.negative_data_rejection]
expected-statuses = ["400", "401", "403", "404", "405", "406", "409", "413", "415", "422", "428", "429"]

[phases]
examples.extra-data-sources.responses = {learns}
coverage.extra-data-sources.responses = {learns}
fuzzing.extra-data-sources.responses = {learns}
fuzzing.error-feedback.enabled = {learns}

[phases.stateful]
enabled = false

[[operations]]
include-path-regex = "^/v1/route/"
parameters = {{ name = "demo.localhost/hello/" }}

[[operations]]
include-operation-id = ["status", "plan", "metrics", "rotateKey"]
checks.not_a_server_error.expected-statuses = ["2xx", "3xx", "4xx", "501", "503"]

[[operations]]
include-operation-id = ["signOut", "watchTasks"]
enabled = false

[[operations]]
include-operation-id = "watchChanges"
parameters = {{ end = true }}

[[operations]]
include-operation-id = "readLogs"
parameters = {{ follow = false }}
"""


@asynccontextmanager
async def with_numbers(serving: Any) -> AsyncIterator[Any]:
    """Give an API with the module beside it that keeps the numbers over time."""
    async with serving as api:
        (api.ctx.home / "data/series").mkdir(parents=True)
        async with at_work(SeriesModule(SeriesConfig(max_mib=16), api.ctx)):
            yield api


async def operator(api: Any) -> str:
    """Return a token that may do everything."""
    await api.store.put("test", "", "", "ops", User(email="ops@example.com"))
    await api.store.put("test", "", "", "ops", Member(role="operator"))
    maker = Principal(kind="user", name="ops", user="ops", grants=(Grant("operator"),))
    now = api.ctx.clock.now()
    return await issue(api.store, api.desk.directory, maker, name="torment", scope=Scope(), now=now)


async def seed(api: Any) -> None:
    for uid, name in enumerate(("demo", "a"), 1):
        await api.call("PUT", f"/v1/tenant/{name}/{name}", {"uid": uid})
        await api.call("PUT", f"/v1/apps/{name}/hello")


def torment(description: dict[str, Any], settings: str) -> list[str]:
    """Run all checks; return what they found, each once."""
    # Only here: it takes seconds to import, in each process that collects tests.
    import schemathesis
    from schemathesis import engine
    from schemathesis.config import SchemathesisConfig

    config = SchemathesisConfig.from_str(settings)
    schema = schemathesis.openapi.from_dict(description, config=config)
    found: dict[str, str] = {}
    for event in engine.from_schema(schema).execute():
        for error in (getattr(event, "info", None), getattr(event, "exception", None)):
            if error is not None and type(event).__name__ in {"NonFatalError", "FatalError"}:
                found.setdefault(str(error), f"{event.label if hasattr(event, 'label') else ''}: {error}")
        recorder = getattr(event, "recorder", None)
        for checks in recorder.checks.values() if recorder else ():
            for check in checks:
                if check.failure_info is not None:
                    failure = check.failure_info.failure
                    found.setdefault(
                        f"{recorder.label}: {failure.title}",
                        f"{recorder.label}: {failure.title}: {failure.message}\n{check.failure_info.code_sample}",
                    )
    return list(found.values())


def part_of(description: dict[str, Any], part: int) -> dict[str, Any]:
    """Return the description of some paths alone; where a body may be of several types, all are read alike."""
    paths = {path: item for path, item in description["paths"].items() if zlib.crc32(path.encode()) % PARTS == part}
    for operation in chain.from_iterable(item.values() for item in paths.values()):
        content = operation.get("requestBody", {}).get("content", {})
        for media in list(content)[1:]:
            del content[media]
    return description | {"paths": paths}


@pytest.mark.timeout(3600 if EXAMPLES > FEW else 600)
@pytest.mark.parametrize("part", range(PARTS))
def test_nothing_is_found(part: int, serve: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("schemathesis")
    from inprocess import InProcess
    from requests.adapters import HTTPAdapter

    with asyncio.Runner() as runner, capture_logs():
        serving = with_numbers(serve())
        api = runner.run(serving.__aenter__())
        runner.run(seed(api))
        token = runner.run(operator(api))
        description = runner.run(api.call("GET", "/v1/openapi.json"))
        front = Front(api.app, CollectorRegistry())
        place = InProcess(front, runner.get_loop(), {"peer": None, "front": True}, MEDIA_TYPES)
        monkeypatch.setattr(HTTPAdapter, "send", lambda _adapter, request, **_: place.send(request))
        monkeypatch.setattr("requests.sessions.get_environ_proxies", lambda *_, **__: {})  # costs a tenth of all
        settings = SETTINGS.format(token=token, examples=EXAMPLES, learns=str(EXAMPLES > FEW).lower())
        described = part_of(description, part)
        found = torment(described, settings)
        runner.run(serving.__aexit__(None, None, None))
    assert found == [], "\n\n".join(found)
    assert place.count >= sum(map(len, described["paths"].values()))
