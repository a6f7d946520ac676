"""What serai.toml may say, apart from what each module's own Config adds; every field has a default."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

FILE = "serai.toml"
Privilege = Literal["edge", "control", "agent"]
#: From the least to the most: a group runs with the highest that one of its modules needs.
PRIVILEGES: tuple[Privilege, ...] = ("edge", "control", "agent")


def _about(text: str, **bounds: Any) -> msgspec.Meta:
    return msgspec.Meta(description=text, **bounds)


class HostSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """This machine."""

    name: Annotated[
        str,
        _about("The host's name within its cell; empty: the system's.", pattern=r"^([a-z0-9][a-z0-9.-]{0,62})?$"),
    ] = ""
    base: Annotated[
        str,
        _about("The domain below which tenants get their host names.", pattern=r"^[a-z0-9][a-z0-9.-]{0,200}$"),
    ] = "localhost"
    uid_base: Annotated[
        int,
        _about("First of the user IDs that the platform uses where it runs as root.", ge=0, le=4_294_000_000),
    ] = 0
    private_networks: Annotated[
        tuple[str, ...],
        _about(
            "Private networks (10.1.0.0/16) that the platform may connect to where tenants say so: for repositories.",
            max_length=64,
        ),
    ] = ()
    private_authorities: Annotated[
        str,
        _about(
            "A file with certificates (PEM) of authorities that git servers may have theirs from; empty: the system's.",
            pattern=r"^(/.*)?$",
        ),
    ] = ""
    start_seconds: Annotated[
        float, _about("How long all modules of a worker may take to provision.", ge=0.1, le=600)
    ] = 20.0
    drain_seconds: Annotated[
        float, _about("How long a replaced worker may take to finish what it accepted.", ge=0, le=3600)
    ] = 30.0

    def __post_init__(self) -> None:
        """Refuse what is no network; the ValueError becomes the setting's error."""
        if self.private_networks:
            import ipaddress  # noqa: PLC0415 - most hosts have none, and each start would pay

            for text in self.private_networks:
                ipaddress.ip_network(text, strict=False)


class GroupSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A worker group: identical processes that run the same modules as the same user."""

    modules: Annotated[
        tuple[str, ...],
        _about("Modules by ID; ID@LABEL is one more of the same kind with a section of its own.", max_length=64),
    ] = ()
    processes: Annotated[
        Annotated[int, msgspec.Meta(ge=0, le=256)] | Literal["cores"],
        _about('How many processes; "cores": one per core; 0 turns the group off.'),
    ] = 1
    privilege: Annotated[
        Privilege | Literal[""],
        _about('"edge", "control" or "agent"; empty: the least that its modules allow.'),
    ] = ""


class LogSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The platform's own log, logs/serai.jsonl."""

    level: Annotated[Literal["debug", "info", "warning", "error"], _about("What is less important is not written.")] = (
        "info"
    )
    max_mib: Annotated[int, _about("Size at which the file is rotated, MiB.", ge=1, le=10_240)] = 32
    files: Annotated[int, _about("How many rotated files are kept.", ge=0, le=100)] = 4


class SentrySettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The error tracker (Sentry's protocol)."""

    dsn: Annotated[str, _about("Where errors are reported to; empty: nowhere.", max_length=500)] = ""


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """A whole serai.toml; ``modules`` holds each section as it was written, to be read with that module's Config.

    ``store`` is the address of the cell's database, empty for the engine that needs none.
    """

    host: HostSettings
    groups: dict[str, GroupSettings]
    modules: dict[str, dict[str, Any]]
    log: LogSettings
    sentry: SentrySettings
    store: str = ""
