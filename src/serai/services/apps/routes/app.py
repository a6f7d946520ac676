"""What the API offers for apps: list, show, create, delete, scale, restart; variables and domains."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from litestar import delete, get, patch, post, put
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter
from msgspec import Meta

from serai.daemon.module import Context
from serai.errors import DeadlineError, UnavailableError
from serai.services.apps import actions, domains, removal, usage, views
from serai.services.apps.descriptors import PROD, App, Domain
from serai.services.apps.routes.common import PATH, Aim, AppName, Body, Caller, Ctx, Keys, Limit, Started, site_of
from serai.services.apps.usage import InstanceUsage
from serai.services.apps.views import Apps, AppView, DomainView

CERTIFIED = "edge.certificates"  # the call by which the edge's authority is asked
TELLING = 1.0  # seconds that a list waits for it


class ScaleBody(Body, frozen=True, kw_only=True):
    """How many instances of a process there are to be."""

    count: Annotated[int, Meta(ge=0, le=100)]
    process: str = "web"


class EnvBody(Body, frozen=True, kw_only=True):
    """Variables to set; null takes one away."""

    values: Annotated[dict[str, str | None], Meta(max_length=256)]
    plain: bool = False  # they may be shown again
    expect: Annotated[int, Meta(ge=0)] | None = None  # the version of all that they are changed in, 0 for none

    def __repr__(self) -> str:
        """Tell names only."""
        return f"EnvBody({', '.join(sorted(self.values))})"


class DomainBody(Body, frozen=True, kw_only=True):
    """The environment that a host name shows."""

    environment: str = PROD


class Usages(msgspec.Struct, frozen=True):
    """What the instances of an app use, by name."""

    items: list[InstanceUsage]


@get("/v1/apps/{tenant:str}", action="app.read", summary="List apps", operation_id="listApps")
async def find(ctx: Ctx, target: Aim, after: FromQuery[str] = "", limit: Limit = 100) -> Apps:
    """List a tenant's apps with what is live."""
    return await views.apps(ctx.store, site_of(ctx), target.tenant, after, limit)


@get(PATH, action="app.read", summary="Show an app", operation_id="showApp")
async def show(ctx: Ctx, target: Aim, app: AppName) -> AppView:
    """Return an app with its instances, domains and URLs; variables by name only."""
    return await views.app(ctx.store, site_of(ctx), target.tenant, app)


@put(PATH, action="app.deploy", status_code=201, summary="Create an app", operation_id="createApp")
async def create(ctx: Ctx, principal: Caller, target: Aim, app: AppName) -> AppView:
    """Make an app without a release."""
    await actions.create_app(ctx.store, site_of(ctx), principal.who, target.tenant, app)
    return await views.app(ctx.store, site_of(ctx), target.tenant, app)


@delete(PATH, action="app.delete", status_code=202, summary="Delete an app", operation_id="deleteApp")
async def remove(
    ctx: Ctx,
    principal: Caller,
    target: Aim,
    app: AppName,
    confirm: FromQuery[str] = "",
    with_data: Annotated[bool, QueryParameter(name="data")] = False,
) -> Started:
    """Delete an app; ``confirm`` repeats its name, ``data`` says that its data folder dies too."""
    site = site_of(ctx)
    return Started(
        await removal.delete_app(ctx.store, site, principal.who, target.tenant, app, confirm=confirm, data=with_data)
    )


@post(f"{PATH}/scale", action="app.scale", status_code=200, summary="Scale an app", operation_id="scaleApp")
async def scale(ctx: Ctx, principal: Caller, target: Aim, app: AppName, data: JSONBody[ScaleBody]) -> AppView:
    """Say how many instances of a process the live releases have."""
    site = site_of(ctx)
    await actions.scale(ctx.store, site, principal.who, target.tenant, app, data.process, data.count)
    return await views.app(ctx.store, site, target.tenant, app)


@get(f"{PATH}/env", action="app.env", summary="List variables", operation_id="listVariables")
async def list_variables(ctx: Ctx, keys: Keys, target: Aim, app: AppName) -> dict[str, str | None]:
    """Return an app's variables with the values that were set to be shown; null for all others."""
    await ctx.store.get(App, target.tenant, app)
    return await views.variables_of(ctx.store, keys, target.tenant, app)


@patch(f"{PATH}/env", action="app.env", status_code=202, summary="Set variables", operation_id="setVariables")
async def set_env(
    ctx: Ctx, keys: Keys, principal: Caller, target: Aim, app: AppName, data: JSONBody[EnvBody]
) -> Started:
    """Set or take away variables; running instances are renewed one after the other."""
    return Started(
        await actions.set_env(
            ctx.store, keys, principal.who, target.tenant, app, data.values, plain=data.plain, expect=data.expect
        )
    )


@get(f"{PATH}/usage", action="app.read", summary="Show what instances use", operation_id="showAppUsage")
async def show_usage(ctx: Ctx, target: Aim, app: AppName) -> Usages:
    """Return what each running instance used when it was last measured."""
    await ctx.store.get(App, target.tenant, app)
    told: Any = await ctx.bus.call(usage.SUBJECT, msgspec.to_builtins(usage.Ask(tenant=target.tenant, app=app)))
    return Usages(msgspec.convert(told, list[InstanceUsage]))


@post(f"{PATH}/restart", action="app.deploy", status_code=202, summary="Restart an app", operation_id="restartApp")
async def restart(ctx: Ctx, principal: Caller, target: Aim, app: AppName) -> Started:
    """Renew the running instances one after the other."""
    return Started(await actions.restart(ctx.store, principal.who, target.tenant, app))


@get(f"{PATH}/domains", action="app.read", summary="List domains", operation_id="listDomains")
async def list_domains(ctx: Ctx, target: Aim, app: AppName) -> list[DomainView]:
    """Return the host names of the tenant's own that lead to the app."""
    await ctx.store.get(App, target.tenant, app)
    found = [record for record in await ctx.store.find(Domain, target.tenant) if record.spec.app == app]
    until = await _certified(ctx, [record.name for record in found])
    return [DomainView(host=one.name, environment=one.spec.environment, certified=until.get(one.name)) for one in found]


async def _certified(ctx: Context, names: list[str]) -> dict[str, float]:
    """Return until when certificates of names are valid; nothing where nobody tells."""
    try:
        return dict(await ctx.bus.call(CERTIFIED, names, deadline=TELLING)) if names else {}
    except (UnavailableError, DeadlineError):
        return {}


@put(f"{PATH}/domains/{{host:str}}", action="app.domain", summary="Add a domain", operation_id="addDomain")
async def add_domain(
    ctx: Ctx, principal: Caller, target: Aim, app: AppName, host: FromPath[str], data: JSONBody[DomainBody]
) -> DomainView:
    """Let a host name lead to the app."""
    await domains.add(ctx.store, site_of(ctx), principal.who, target.tenant, host, app, data.environment)
    return DomainView(host=host, environment=data.environment)


@delete(
    f"{PATH}/domains/{{host:str}}", action="app.domain", status_code=204, summary="Remove a domain",
    operation_id="removeDomain",
)  # fmt: skip
async def remove_domain(ctx: Ctx, principal: Caller, target: Aim, app: AppName, host: FromPath[str]) -> None:
    """Let a host name lead nowhere."""
    await views.check_domain(ctx.store, target.tenant, app, host)
    await domains.remove(ctx.store, site_of(ctx), principal.who, target.tenant, host)


ROUTES = [
    find, show, create, remove, scale, list_variables, set_env, show_usage, restart, list_domains, add_domain,
    remove_domain,
]  # fmt: skip
