"""What the process driver must know of a host before it can write a command for it, as a value."""

from __future__ import annotations

import ipaddress
import os
import platform
import shutil
import sys
from pathlib import Path

import msgspec

LINKS = ("/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")

# Files of /etc that programs look for and that tell a tenant nothing: certificates, time, names, how run times are set.
HARMLESS = (
    "alternatives",
    "ca-certificates",
    "ca-certificates.conf",
    "ld.so.cache",
    "ld.so.conf",
    "ld.so.conf.d",
    "locale.alias",
    "localtime",
    "mime.types",
    "perl",
    "php",
    "protocols",
    "python3",
    "python3.9",
    "python3.10",
    "python3.11",
    "python3.12",
    "python3.13",
    "services",
    "ssl/certs",
    "ssl/openssl.cnf",
    "timezone",
)


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """Paths of tools, and the host's layout.

    ``links`` are top-level symbolic links into /usr, as (path, where it leads); ``folders`` are such folders that are
    real. ``runtime`` is the folder of the interpreter where that is not below /usr, else "".
    """

    machine: str
    bwrap: str
    python: str
    runtime: str = ""
    nft: str = ""
    slirp: str = ""
    links: tuple[tuple[str, str], ...] = ()
    folders: tuple[str, ...] = ()
    etc: tuple[str, ...] = ()
    resolvers: tuple[str, ...] = ()
    page: int = 4096


def gather() -> Facts:
    """Look at this host; tools that it lacks are "" (`probe` says which are needed)."""
    python, runtime = _interpreter()
    return Facts(
        machine=platform.machine(),
        bwrap=_tool("bwrap"),
        python=python,
        runtime=runtime,
        nft=_tool("nft"),
        slirp=_tool("slirp4netns"),
        links=tuple((path, os.readlink(path)) for path in LINKS if Path(path).is_symlink()),  # noqa: PTH115  as written
        folders=tuple(path for path in LINKS if Path(path).is_dir() and not Path(path).is_symlink()),
        etc=tuple("/etc/" + name for name in HARMLESS if Path("/etc", name).exists()),
        resolvers=resolvers(),
        page=os.sysconf("SC_PAGE_SIZE"),
    )


def resolvers(sources: tuple[str, ...] = ("/etc/resolv.conf", "/run/systemd/resolve/resolv.conf")) -> tuple[str, ...]:
    """Return the IPv4 name servers that can be reached from another network namespace, at most 3 (resolv.conf(5)).

    A stub on this host's loopback, such as systemd-resolved's 127.0.0.53, can't: what it asks itself comes next.
    """
    for source in sources:
        try:
            lines = Path(source).read_text(errors="replace").splitlines()
        except OSError:
            continue
        found = tuple(filter(_reachable, (line.split()[1] for line in lines if _names_a_server(line))))
        if found:
            return found[:3]
    return ()


def _names_a_server(line: str) -> bool:
    return line.startswith("nameserver") and len(line.split()) == 2


def _reachable(address: str) -> bool:
    try:
        return not ipaddress.IPv4Address(address).is_loopback
    except ValueError:
        return False


def _interpreter() -> tuple[str, str]:
    """Return an interpreter that a tenant may execute, and its folder where that must be shown to the sandbox."""
    if Path("/usr/bin/python3").exists():
        return "/usr/bin/python3", ""
    binary = Path(sys.executable).resolve()
    return str(binary), str(binary.parent.parent)


def _tool(name: str) -> str:
    return shutil.which(name, path="/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin") or ""
