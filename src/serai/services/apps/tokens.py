"""Give an app its deploy token, and take it away. The functions behind the API; see `serai.services.apps.actions`."""

from __future__ import annotations

from serai.errors import NotFoundError
from serai.services.apps.descriptors import App
from serai.services.apps.git.token import GitToken
from serai.services.apps.picture import again
from serai.store import Delete, Put, Store
from serai.store.contract import Seals


async def stored(store: Store, tenant: str, app: str) -> tuple[GitToken | None, int]:
    """Return an app's token, sealed, and its version; None and 0 where it has none."""
    try:
        record = await store.get(GitToken, tenant, app)
    except NotFoundError:
        return None, 0
    return record.spec, record.version


async def put(store: Store, seals: Seals, who: str, tenant: str, app: str, wanted: GitToken) -> None:
    """Give an app its token; the one before is forgotten. `NotFoundError`, `InvalidError` (with ``path``)."""
    wanted.check()

    async def attempt() -> None:
        record = await store.get(App, tenant, app)
        before, version = await stored(store, tenant, app)
        after = wanted.at_rest(seals, tenant, app, before)
        # The app is written as it is: where somebody deletes it at this moment, no token stays behind.
        puts = (Put(tenant, app, record.spec, record.version), Put(tenant, app, after, version))
        await store.change(who, f"set the deploy token of {app} for {wanted.host}", puts)

    await again(attempt)


async def remove(store: Store, who: str, tenant: str, app: str) -> None:
    """Forget an app's token; nothing where it has none."""
    _, version = await stored(store, tenant, app)
    if version:
        await store.change(who, f"forget the deploy token of {app}", [Delete(GitToken.KIND, tenant, app, version)])
