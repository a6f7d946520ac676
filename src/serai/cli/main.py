"""``serai``: finds the command, imports only that, and tells how it ended."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer
from typer._completion_classes import completion_init
from typer.core import TyperGroup
from typer.main import get_group

import serai
from serai.cli import exit as ends
from serai.cli.arguments import take_place
from serai.daemon.service import load
from serai.errors import InvalidError, SeraiError

#: Commands of the house, each in the module that is imported for it. Services name theirs in their manifests.
COMMANDS = {
    "up": "serai.cli.host:app",
    "down": "serai.cli.host:app",
    "status": "serai.cli.host:app",
    "plan": "serai.cli.host:app",
    "reload": "serai.cli.host:app",
    "upgrade": "serai.cli.host:app",
    "host": "serai.cli.hosts:app",
    "trust": "serai.cli.trust:app",
    "untrust": "serai.cli.trust:app",
    "tenant": "serai.cli.tenant:app",
    "undelete": "serai.cli.undelete:app",
    "apply": "serai.cli.apply:app",
    "export": "serai.cli.apply:app",
    "audit": "serai.cli.audit:app",
    "task": "serai.cli.task:app",
    "provider": "serai.cli.provider:app",
    "schedule": "serai.cli.schedule:app",
    "login": "serai.cli.login:app",
    "logout": "serai.cli.login:app",
    "accept": "serai.cli.login:app",
    "profile": "serai.cli.profile:app",
    "me": "serai.cli.me:app",
    "user": "serai.cli.user:app",
    "member": "serai.cli.member:app",
    "role": "serai.cli.role:app",
    "token": "serai.cli.token:app",
    "invite": "serai.cli.invitation:invite_app",
    "invitation": "serai.cli.invitation:app",
    "session": "serai.cli.session:app",
    "key": "serai.cli.key:app",
    "completion": "serai.cli.completion:app",
}


#: Characters of an error: what somebody typed may stand in it, however long that is.
MAX_SENTENCE = 4000
#: Set by a shell that asks for completions.
COMPLETE = "_SERAI_COMPLETE"


class Lazy(TyperGroup):
    """A group whose commands are imported when they are named."""

    def list_commands(self, _ctx: Any) -> list[str]:
        """Return all names: the house's in their order, then the services'."""
        return [*COMMANDS, *sorted(_brought())]

    def get_command(self, _ctx: Any, cmd_name: str) -> Any:
        """Return a command or a noun's group, None where there is none."""
        path = COMMANDS.get(cmd_name)
        return _named(load(path), cmd_name) if path else _brought().get(cmd_name)


app = typer.Typer(cls=Lazy, name="serai", no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)


def _print_version(value: bool) -> None:
    if value:
        sys.stdout.write(f"serai {serai.__version__}\n")
        raise typer.Exit


@app.callback()
def root(
    _home: Annotated[
        str | None,
        typer.Option("--home", help="The folder that holds everything; before or after any command. Also SERAI_HOME."),
    ] = None,
    _url: Annotated[
        str | None, typer.Option("--url", help="A platform elsewhere: https://api.BASE. Also SERAI_URL.")
    ] = None,
    _profile: Annotated[
        str | None, typer.Option("--profile", help="A platform that `serai login` knows. Also SERAI_PROFILE.")
    ] = None,
    _ca: Annotated[
        str | None, typer.Option("--ca", help="Who vouches for a platform elsewhere: a PEM file. Also SERAI_CA.")
    ] = None,
    _version: Annotated[
        bool, typer.Option("--version", help="Print the version.", is_eager=True, callback=_print_version)
    ] = False,
) -> None:
    """Host web applications of many tenants, each isolated, on this machine."""


@functools.cache  # reading the signatures of all commands of a noun takes longer than most commands
def _named(group: typer.Typer, name: str) -> Any:
    """Return a noun's group, or the one command of a Typer that only gathers some."""
    built = get_group(group)
    if isinstance(group.info.name, str):
        built.name = name
        return built
    return built.commands[name]


def _brought() -> dict[str, Any]:
    """Return the services' commands by name."""
    from serai.services.registry import services  # noqa: PLC0415 - finding them reads all entry points

    found: dict[str, Any] = {}
    for service in services().values():
        for group in load(service.commands) if service.commands else ():
            if isinstance(group.info.name, str):
                found[group.info.name] = _named(group, group.info.name)
            else:
                found |= get_group(group).commands
    return found


def run(words: Sequence[str]) -> int:
    """Run one command; return its exit status. Nothing is raised."""
    try:
        _check_text(words)
        options, rest = take_place(words)
        terminal = _terminal(options)
        if COMPLETE in os.environ:
            completion_init()
        result = typer.main.get_command(app).main(
            args=rest, prog_name="serai", standalone_mode=False, obj=terminal, complete_var=COMPLETE
        )
    except SeraiError as error:
        return _tell(error)
    except KeyboardInterrupt:
        return ends.INTERRUPTED
    except BrokenPipeError:
        # Whoever read the output has seen enough; the interpreter must not complain at its end either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ends.OK
    except typer.Abort:
        return ends.INTERRUPTED
    except Exception as error:  # noqa: BLE001 - the last resort: what went wrong, not where in our code
        return _stumbled(error)
    return result if isinstance(result, int) else ends.OK


def _terminal(options: Mapping[str, str]) -> Any:
    from serai.cli.place import find_place  # noqa: PLC0415 - not before the arguments make sense
    from serai.cli.terminal import Terminal  # noqa: PLC0415

    return Terminal(find_place(options, os.environ))


def _check_text(words: Sequence[str]) -> None:
    """Refuse octets that are no text: they could go into no request, and come back in no answer."""
    if any("\ud800" <= character <= "\udfff" for word in words for character in word):
        raise InvalidError("An argument is not UTF-8.")


def _tell(error: SeraiError) -> int:
    """Print one clear sentence, and what helps to find the place."""
    text = error.public.strip()
    path = error.fields.get("path")
    if path and path not in {"$", ""} and str(path) not in text:
        text = f"{text} ({path})"
    if len(text) > MAX_SENTENCE:
        text = f"{text[: MAX_SENTENCE // 2]}… …{text[-MAX_SENTENCE // 2 :]}"
    sys.stderr.write(f"serai: {printable(text)}\n")
    return ends.STATUS.get(error.code, 1)


def _stumbled(error: Exception) -> int:
    show = getattr(error, "show", None)
    if callable(show):  # wrong usage, as Typer found it
        show()
        return int(getattr(error, "exit_code", ends.USAGE))
    if os.environ.get("SERAI_DEBUG"):
        raise error
    text = printable(f"{type(error).__name__}: {error}")
    sys.stderr.write(f"serai: that failed by our own mistake: {text} (SERAI_DEBUG=1 shows where)\n")
    return ends.STATUS["internal"]


def printable(text: str) -> str:
    """Return text that can't steer a terminal."""
    return "".join(c if c.isprintable() or c == "\n" else "\N{REPLACEMENT CHARACTER}" for c in text)


def main() -> None:
    """Be the command."""
    sys.exit(run(sys.argv[1:]))
