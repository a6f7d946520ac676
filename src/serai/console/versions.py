"""Two people, one thing: what the other changed meanwhile, and what became of a thing that is not there any more."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from serai.api.answers import descriptor
from serai.api.shapes import Descriptor, Difference, History
from serai.console.forms import Form
from serai.console.nav import Crumb
from serai.console.visit import Visit
from serai.errors import SeraiError

CONFLICT = 409
CHANGED = "Somebody changed this meanwhile. Look at it, then save yours over it, or leave it."


def over(version: int) -> Mapping[str, str]:
    """Return the header field that binds a write to a version (RFC 9110 section 13.1.1), for 0 to there being none."""
    return {"if-match": f'"{version}"'} if version else {"if-none-match": "*"}


async def meanwhile(visit: Visit, form: Form[Any], path: str) -> Difference | None:
    """Return what others changed since a refused form was made, None where it was refused for something else.

    Its field ``version`` is then of what is there now: who sends it again has seen the difference.
    """
    if form.status != CONFLICT or not form.value("version").isdecimal():
        return None
    try:
        there = await visit.calls.read(Descriptor, path)
        told = await visit.calls.read(Difference, f"{path}/diff", {"old": form.data.version, "new": there.version})
    except SeraiError:
        return None
    form.fill("version", str(there.version))
    form.error = CHANGED
    return told


async def gone(
    visit: Visit, kind: str, name: str, *, crumbs: Iterable[Crumb], back: str, what: str = "", **values: Any
) -> Any:
    """Return the page of something that was deleted; `NotFoundError` where nothing ever was.

    ``back`` is where a form is sent that brings it back, "" where it does not come back or the visitor may not;
    ``what`` is how it is called. ``values`` may have a ``note``, the time ``until`` which it is kept, and the
    ``fields`` of that form.
    """
    past = await visit.calls.read(History, f"{descriptor(kind, visit.tenant, name)}/history", {"limit": 1})
    visit.form = None
    return visit.page(
        "gone.html",
        title=name,
        crumbs=crumbs,
        http_status=404,
        what=what or kind,
        last=past.items[0],
        back=back,
        **{"note": "", "fields": {}, "until": 0.0, **values},
    )
