"""What the API says of push: whether whoever asks may follow a channel. The guard has said it when a handler runs.

``push.read`` shows that descriptors of a tenant change, which, and how its tasks go; ``task.read`` the same of one
task, and what it logs.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from litestar import get
from litestar.di import NamedDependency
from litestar.params import FromPath, SkipValidation

from serai.daemon.module import Context
from serai.errors import NotFoundError
from serai.identity import Principal, Target
from serai.services.push.permits import Permit
from serai.tasks import Tasks

Caller = NamedDependency[SkipValidation[Principal]]
Aim = NamedDependency[SkipValidation[Target]]


async def of_task(ctx: Context, parameters: Mapping[str, str]) -> Target:
    """Return whose a task is; one that does not exist is the platform's."""
    try:
        task = await Tasks(ctx.store).get(parameters["task"])
    except NotFoundError:
        return Target(kind="task", name=parameters["task"][:256])
    return Target(tenant=task.tenant, app=task.app, kind="task", name=task.id)


@get(
    "/v1/push/tenants/{tenant:str}", action="push.read", summary="May I follow a tenant?",
    operation_id="permitTenantEvents",
)  # fmt: skip
async def of_tenant(principal: Caller, target: Aim, tenant: FromPath[str]) -> Permit:  # noqa: ARG001 - the guard's
    """Say that whoever asks may follow the channels ``tenant/TENANT`` and ``tasks/TENANT``; of "-" also ``host``."""
    return Permit(principal.user or principal.id, target.tenant or "-")


@get(
    "/v1/push/apps/{tenant:str}/{app:str}", action="push.read", summary="May I follow an app?",
    operation_id="permitAppEvents",
)  # fmt: skip
async def of_app(principal: Caller, target: Aim, tenant: FromPath[str], app: FromPath[str]) -> Permit:  # noqa: ARG001 - the guard's
    """Say that whoever asks may follow the channel ``app/TENANT/APP``."""
    return Permit(principal.user or principal.id, target.tenant or "-")


@get(
    "/v1/push/tasks/{task:str}", action="task.read", target=of_task, summary="May I follow a task?",
    operation_id="permitTaskEvents",
)  # fmt: skip
async def of_one_task(ctx: NamedDependency[SkipValidation[Context]], principal: Caller, task: FromPath[str]) -> Permit:
    """Say that whoever asks may follow the channel ``task/TENANT/ID``, and which tenant's it is."""
    found = await Tasks(ctx.store).get(task)
    return Permit(principal.user or principal.id, found.tenant or "-")


ROUTES: list[Any] = [of_tenant, of_app, of_one_task]
