"""Every command that asks the API, with tokens of different people: allowed, refused, or nothing of that name.

Each command says which action it needs; a command that is not listed fails.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
import typer
from typer.main import get_command

from serai.cli.exit import STATUS
from serai.cli.main import app
from serai.identity.roles import ROLES, allows

#: About the machine itself, about this user's own files, or about nothing of anybody's.
ELSEWHERE = {
    ("up",), ("down",), ("status",), ("plan",), ("reload",), ("upgrade",), ("trust",), ("untrust",), ("completion",),
    ("login",), ("logout",), ("accept",), ("profile", "list"), ("profile", "use"), ("me",), ("session", "list"),
    ("session", "end"), ("runtime", "list"), ("runtime", "add"), ("runtime", "remove"), ("runtime", "languages"),
    ("task", "watch"),
}  # fmt: skip
#: Command to the action that it needs where it is aimed at a tenant, and what stands behind its name.
NEEDS: dict[tuple[str, ...], tuple[str, tuple[str, ...]]] = {
    ("member", "list"): ("member.read", ()),
    ("member", "set"): ("member.write", ("victim", "viewer")),
    ("member", "remove"): ("member.delete", ("absent",)),
    ("role", "list"): ("role.read", ()),
    ("role", "set"): ("role.write", ("reader", "--action", "app.read")),
    ("role", "delete"): ("role.delete", ("absent",)),
    ("token", "list"): ("token.read", ()),
    ("token", "make"): ("token.write", ("walk", "--action", "app.read")),
    ("token", "end"): ("token.delete", ("absent",)),
    ("invite",): ("invitation.write", ("a@b.test", "--role", "viewer")),
    ("invitation", "list"): ("invitation.read", ()),
    ("invitation", "withdraw"): ("invitation.delete", ("absent",)),
    ("app", "list"): ("app.read", ()),
    ("app", "show"): ("app.read", ("shop",)),
    ("app", "scale"): ("app.scale", ("shop", "2")),
    ("app", "restart"): ("app.deploy", ("shop",)),
    ("app", "delete"): ("app.delete", ("absent", "--confirm", "absent")),
    ("app", "logs"): ("app.logs", ("absent",)),
    ("app", "shell"): ("app.shell", ("absent",)),
    ("app", "env", "list"): ("app.env", ("shop",)),
    ("app", "env", "set"): ("app.env", ("shop", "A=1")),
    ("app", "env", "unset"): ("app.env", ("shop", "A")),
    ("app", "git", "show"): ("app.env", ("shop",)),
    ("app", "git", "set"): ("app.env", ("shop", "git.example.test")),
    ("app", "git", "unset"): ("app.env", ("shop",)),
    ("app", "domain", "list"): ("app.read", ("shop",)),
    ("app", "domain", "add"): ("app.domain", ("shop", "www.a.test")),
    ("app", "domain", "remove"): ("app.domain", ("shop", "www.a.test")),
    ("top",): ("series.read", ()),
    ("release", "list"): ("app.read", ("shop",)),
    ("release", "show"): ("app.read", ("shop", "1")),
    ("release", "promote"): ("app.promote", ("shop", "1")),
    ("release", "rollback"): ("app.rollback", ("shop",)),
    ("release", "delete"): ("app.delete", ("shop", "1")),
    ("app", "undelete"): ("app.delete", ("shop",)),
    ("task", "list"): ("task.read", ()),
    ("audit",): ("audit.read", ()),
}
#: Only the platform's own people: whoever has a tenant's role only is told that there is no such thing.
PLATFORM: dict[tuple[str, ...], tuple[str, ...]] = {
    ("user", "list"): (),
    ("user", "show"): ("victim",),
    ("user", "add"): ("walker", "--email", "w@b.test"),
    ("user", "disable"): ("victim",),
    ("user", "enable"): ("victim",),
    ("user", "reset"): ("victim",),
    ("user", "delete"): ("victim", "--confirm", "victim"),
    ("tenant", "create"): ("walkers",),
    ("tenant", "set"): ("theirs", "--processes", "9"),
    ("key", "rotate"): (),
    ("host", "list"): (),
    ("host", "enrol"): ("two",),
    ("host", "revoke"): ("two",),
    ("task", "show"): ("absent",),
    ("task", "cancel"): ("absent",),
    ("task", "retry"): ("absent",),
}
#: They choose their own way to a tenant, and their routes are walked by HTTP.
BY_HTTP = {
    "deploy", "task", "limit", "provider", "schedule", "tenant", "apply", "export", "channel", "trash", "undelete",
}  # fmt: skip


def leaves(found: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    if not hasattr(found, "list_commands"):
        yield path
        return
    context = typer.Context(found)
    for name in found.list_commands(context):
        yield from leaves(found.get_command(context, name), (*path, name))


def test_every_command_is_in_the_table() -> None:
    found = {path for path in leaves(get_command(app)) if path[0] not in BY_HTTP}
    known = ELSEWHERE | NEEDS.keys() | PLATFORM.keys()
    assert found - known == set()
    assert {path for path in known - found if path[0] not in {*BY_HTTP, "runtime"}} == set()


@pytest.mark.timeout(110)
def test_commands_do_what_the_role_of_their_token_allows_and_no_more(
    api: Any, serai: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for tenant in ("mine", "theirs"):
        assert serai("tenant", "create", tenant).status == 0
    assert serai("user", "add", "victim", "--email", "v@b.test").status == 0
    tokens = {}
    for role in ("viewer", "developer", "owner", "billing"):
        serai("user", "add", role, "--email", f"{role}@b.test")
        serai("member", "set", role, role, "--tenant", "mine")
        tokens[role] = serai("token", "make", role, "--user", role, "--tenant", "-").out.strip()
    monkeypatch.setattr("sys.stdin", io.StringIO("s3cret\n" * 1000))
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    wrong = []
    for role, token in tokens.items():
        monkeypatch.setenv("SERAI_TOKEN", token)
        for path, (action, words) in NEEDS.items():
            may = allows(ROLES[role], action)
            for tenant, refused in (("mine", STATUS["denied"]), ("theirs", None), ("nowhere", None)):
                done = serai(*path, *words, "--tenant", tenant)
                nothing = done.status == STATUS["not_found"] and "Nothing has that name" in done.err
                right = nothing if refused is None else (done.status == refused and "may not do" in done.err) != may
                if not right or "mistake" in done.err:
                    wrong.append((role, path, tenant, done.status, done.err))
        for path, words in PLATFORM.items():
            done = serai(*path, *words)
            if done.status != STATUS["not_found"] or "Nothing has that name" not in done.err:
                wrong.append((role, path, "-", done.status, done.err))
    assert not wrong, "\n".join(map(str, wrong[:30]))
