"""Invitations: a role in a tenant for whoever holds an e-mail address, taken up once, before it expires."""

from __future__ import annotations

import secrets

import msgspec

from serai.errors import AlreadyExistsError, DeniedError, InvalidError, NotFoundError
from serai.identity import bearer
from serai.identity.authorize import Target, check_gift
from serai.identity.directory import Directory
from serai.identity.passwords import Passwords, check_password
from serai.identity.people import Invitation, Member, Secrets, User, same_address
from serai.identity.principals import Principal
from serai.identity.vault import Vault
from serai.store import Delete, Put, Record, Store

LIFETIME = 7 * 86400.0  # seconds
_NO_LONGER = "That invitation does not hold, or no longer."


class Newcomer(msgspec.Struct, frozen=True, kw_only=True):
    """Who takes an invitation up without being a user yet."""

    login: str
    password: str
    title: str = ""

    def __repr__(self) -> str:
        """Leave the password out."""
        return f"Newcomer({self.login})"


async def invite(
    store: Store,
    directory: Directory,
    inviter: Principal,
    *,
    email: str,
    role: str,
    tenant: str,
    app: str = "",
    now: float,
) -> str:
    """Make an invitation and return the secret that goes into its link, which can't be shown again.

    `DeniedError` where the inviter does not have what the role allows, `NotFoundError` where there is no such role.
    """
    check_gift(inviter, directory.actions(tenant, role), Target(tenant=tenant, app=app))
    secret, name = bearer.new_secret(), secrets.token_hex(6)
    invitation = Invitation(
        email=email, role=role, app=app, digest=bearer.digest(secret), expires=now + LIFETIME, inviter=inviter.user
    )
    invitation.check()
    await store.change(inviter.who, f"invite {email} as {role}", (Put(tenant, name, invitation, 0),))
    return bearer.write(tenant, name, secret)


async def look(store: Store, text: str, now: float) -> Record[Invitation]:
    """Return an invitation by its secret; `NotFoundError` for what does not hold, whatever the reason."""
    shown = bearer.read(text)
    if shown is None:
        raise NotFoundError(_NO_LONGER)
    try:
        record = await store.get(Invitation, shown.tenant, shown.name)
    except (NotFoundError, InvalidError):
        raise NotFoundError(_NO_LONGER) from None
    if not bearer.proves(shown.secret, record.spec.digest) or record.spec.expires <= now:
        raise NotFoundError(_NO_LONGER)
    return record


async def join(
    store: Store, directory: Directory, vault: Vault, passwords: Passwords, text: str, newcomer: Newcomer, now: float
) -> str:
    """Become a user by an invitation, with its address, and return the login.

    `AlreadyExistsError` where the login or the address is somebody's: they sign in and `accept`.
    """
    record = await look(store, text, now)
    _check_inviter(directory, record)
    login = newcomer.login
    if not User.NAME.fullmatch(login):
        raise InvalidError("A login begins with a letter and has at most 32 of a-z, 0-9, . and -.", path="login")
    check_password(newcomer.password, login, record.spec.email.partition("@")[0])
    if directory.user(login) is not None:
        raise AlreadyExistsError("That login is taken.", path="login")
    if any(directory.by_email(record.spec.email)):
        raise AlreadyExistsError("That address has a user already: sign in to accept.", path="email")
    hashed = await passwords.hash(newcomer.password)
    user = User(email=record.spec.email, title=newcomer.title[:100])
    await store.change(
        f"user:{login}",
        "joined by invitation",
        (Put("", login, user, 0), vault.put(login, Secrets(password=hashed), 0), *_taken(record, login)),
    )
    return login


async def accept(store: Store, directory: Directory, principal: Principal, text: str, now: float) -> None:
    """Take an invitation up as a user; it is bound to its address, so `DeniedError` for everybody else."""
    record = await look(store, text, now)
    user = directory.user(principal.user)
    if principal.kind != "user" or user is None or not same_address(user.email, record.spec.email):
        raise DeniedError("That invitation is for another address.")
    _check_inviter(directory, record)
    await store.change(principal.who, "accepted an invitation", _taken(record, principal.user))


def _check_inviter(directory: Directory, record: Record[Invitation]) -> None:
    """Refuse what its inviter could not give any more: who was removed leaves no doors behind."""
    invitation = record.spec
    if not invitation.inviter:
        return  # the operator at the machine itself
    user = directory.user(invitation.inviter)
    inviter = Principal(kind="user", name=invitation.inviter, grants=directory.grants(invitation.inviter))
    try:
        actions = directory.actions(record.tenant, invitation.role)
        check_gift(inviter, ("invitation.write", *actions), Target(tenant=record.tenant, app=invitation.app))
    except (DeniedError, NotFoundError):
        user = None
    if user is None or user.disabled:
        raise NotFoundError(_NO_LONGER)


def _taken(record: Record[Invitation], login: str) -> tuple[Put | Delete, ...]:
    """Return the operations that turn an invitation, as it was read, into a membership."""
    name = f"{login}:{record.spec.app}" if record.spec.app else login
    return (
        Delete(Invitation.KIND, record.tenant, record.name, record.version),
        Put(record.tenant, name, Member(role=record.spec.role)),
    )
