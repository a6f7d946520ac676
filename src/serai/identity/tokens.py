"""API tokens: made once, shown once, bound to their maker and a scope."""

from __future__ import annotations

import msgspec

from serai.errors import DeniedError, InvalidError
from serai.identity import bearer
from serai.identity.authorize import Target, check_gift
from serai.identity.directory import Directory
from serai.identity.people import Token, TokenUse
from serai.identity.principals import Principal, Scope
from serai.store import Put, Store

MAX_LIFE = 10 * 366 * 86400.0  # seconds
MOST = 200  # tokens of a user
_NOTE_EVERY = 3600.0  # seconds between two notes of a token's use


async def issue(
    store: Store,
    directory: Directory,
    maker: Principal,
    *,
    name: str,
    scope: Scope,
    title: str = "",
    expires: float = 0.0,
    now: float,
    who: str = "",
) -> str:
    """Make a token that acts for its maker within a scope, and return it: it can't be shown again.

    ``who`` is whom the history names, where that is not the maker.

    It lives in the scope's tenant, under ``name``. `DeniedError` where its maker is no user, or may not do what the
    scope names; `InvalidError` for a scope that can't be meant; `ConflictError` where the name is taken.
    """
    if not maker.user:
        raise DeniedError("Only users have tokens: they act for somebody.")
    if not Token.NAME.fullmatch(name):
        raise InvalidError("A token's name has a-z, 0-9 and - only.", path="name")
    if expires and not now < expires <= now + MAX_LIFE:
        raise InvalidError("A token expires between now and ten years from now.", path="expires")
    if sum(1 for _ in directory.tokens(maker.user)) >= MOST:
        raise InvalidError(f"A user has at most {MOST} tokens.", path="name")
    scope.check()
    if scope.tenant:  # without one it is for all places where its user may, whatever they may there
        check_gift(maker, scope.actions, Target(tenant=scope.tenant, app=scope.app))
    secret = bearer.new_secret()
    token = Token(
        user=maker.user,
        digest=bearer.digest(secret),
        scope=_within(scope, maker),
        title=title[:200],
        created=now,
        expires=expires,
    )
    await store.change(who or maker.who, f"make token {name}", (Put(scope.tenant, name, token, 0),))
    return bearer.write(scope.tenant, name, secret)


async def note_use(store: Store, directory: Directory, principal: Principal, now: float) -> None:
    """Keep when and from where a token was used, once an hour at most."""
    tenant, _, name = principal.name.partition("/")
    tenant = "" if tenant == "-" else tenant
    last = directory.token_use(tenant, name)
    if last is None or now - last.at >= _NOTE_EVERY or now < last.at:
        use = TokenUse(at=now // _NOTE_EVERY * _NOTE_EVERY, address=principal.address)
        await store.change("system", "token used", (Put(tenant, name, use),))


def _within(scope: Scope, maker: Principal) -> Scope:
    """Refuse a token made by a token to reach further than that one does."""
    outer = maker.scope
    if outer is None:
        return scope
    if outer.kinds or outer.names or outer.actions:
        raise DeniedError("A token that is narrowed to kinds, actions or names makes no tokens.")
    if not outer.covers(scope.tenant, scope.app):
        raise DeniedError("A token can't make one that reaches further.")
    return msgspec.structs.replace(scope, networks=scope.networks or outer.networks)
