"""What may be named as the source of a release: a URL, a branch, tag or commit of it, a folder in it. Pure."""

from __future__ import annotations

import ipaddress
import re

import msgspec

from serai.errors import InvalidError

HTTPS = 443
#: Other services of hosts that are reachable in public have the well-known ports; self-hosted git often has a high one.
FIRST_HIGH_PORT = 1024
MAX_URL, MAX_REF, MAX_FOLDER = 2000, 200, 500  # characters
_PORT_MAX = 65535

_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9])?"
#: A name whose last label is no number (RFC 1123 section 2.1): "127.1" and "0x7f.1" are addresses to resolvers.
_NAME = re.compile(rf"(?=.{{1,253}}\Z)(?:{_LABEL}\.)*(?!\d+\Z|0x[0-9a-f]*\Z){_LABEL}\Z")
_URL = re.compile(r"https://(?P<place>[^/]*)(?P<path>/.*)?\Z", re.DOTALL)
_PLACE = re.compile(r"(?P<host>\[[0-9a-f:.]{2,45}\]|[a-z0-9._-]+)(?::(?P<port>[0-9]{1,5}))?\Z")
#: No query, no fragment; what else RFC 3986 section 3.3 allows in a path.
_PATH = re.compile(r"/(?:[A-Za-z0-9._~!$&'()*+,;=:@/-]|%[0-9A-Fa-f]{2})+\Z")
#: A part of what git-check-ref-format(1) allows. A colon or a plus sign would make a refspec of it, a hyphen an option.
_REF = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._/@+=#-]*\Z")
_NOT_IN_REFS = ("..", "@{", "//", "/.", ".lock/")
_FOLDER = re.compile(r"[^\x00-\x1f\x7f\\:*?\"<>|]+\Z")

_OTHERS = {
    "http": "http:// is not encrypted: say https://.",
    "git": "git:// is not encrypted, and nobody knows who answers: say https://.",
    "file": "That is a place on a disk, not a repository on the network: deploy the folder itself.",
    "ssh": "The platform has no SSH key of yours: say https://, and give the app a deploy token (serai app git set).",
}


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """Where a release comes from.

    ``ref`` is a branch, a tag or a whole commit ID, "" for the repository's default branch; ``folder`` is the part of
    the repository that is deployed, "" for all. ``commit`` is what was fetched, "" until then.
    """

    url: str
    ref: str = ""
    folder: str = ""
    commit: str = ""


class Place(msgspec.Struct, frozen=True):
    """Where a URL leads: a host's name or address in lower case (of IPv6 without brackets), and a port."""

    host: str
    port: int = HTTPS

    def __str__(self) -> str:
        """Return it as a URL has it: the usual port is left out."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == HTTPS else f"{host}:{self.port}"


def check(source: Source) -> Place:
    """Return where a source is; `InvalidError` (``path`` "git.url", "git.ref" or "git.folder") for what is none.

    No message repeats a URL that may hold a password.
    """
    place = place_of(source.url)
    if source.ref:
        _check_ref(source.ref)
    if source.folder:
        _check_folder(source.folder)
    return place


def place_of(url: str) -> Place:
    """Return where a URL leads, or raise `InvalidError`."""
    if len(url) > MAX_URL:
        raise _wrong(f"A URL has at most {MAX_URL} characters.")
    found = _URL.match(url)
    if found is None:
        raise _wrong(_why_not(url))
    if "@" in found["place"]:
        raise _wrong(
            "The URL holds a user's name or a password, which would be kept and shown: leave it out, and give the app "
            "a deploy token (serai app git set)."
        )
    place = parse_place(found["place"])
    if place is None:
        raise _wrong("The URL names no host, or a port that is none.")
    check_port(place.port)
    if not _PATH.match(found["path"] or ""):
        raise _wrong("The URL has no path, or holds what needs percent-encoding; it has no query and no fragment.")
    return place


def check_port(port: int) -> None:
    """Refuse the ports of other services."""
    if port != HTTPS and port < FIRST_HIGH_PORT:
        raise _wrong(f"Git is fetched from port {HTTPS}, or from {FIRST_HIGH_PORT} and above.")


def parse_place(text: str) -> Place | None:
    """Return ``HOST`` or ``HOST:PORT`` as a place, None for what is none."""
    found = _PLACE.match(text.lower())
    if found is None:
        return None
    port = int(found["port"] or HTTPS)
    host = found["host"].strip("[]")
    if not 1 <= port <= _PORT_MAX or not (_is_address(host, found["host"]) or _NAME.match(found["host"])):
        return None
    return Place(host, port)


def _is_address(host: str, written: str) -> bool:
    try:
        version = ipaddress.ip_address(host).version
    except ValueError:
        return False
    return (version == 6) == written.startswith("[")


def _why_not(url: str) -> str:
    scheme, colon, _ = url.partition("://")
    if colon and scheme.lower() in _OTHERS:
        return _OTHERS[scheme.lower()]
    if not colon and re.match(r"[\w.-]+@[\w.-]+:", url):
        return _OTHERS["ssh"]
    if not colon and (url.startswith(("/", ".", "~")) or "/" in url):
        return _OTHERS["file"]
    return "A git URL begins with https://."


def _check_ref(ref: str) -> None:
    wrong = any(part in ref for part in _NOT_IN_REFS) or ref.endswith((".", "/", ".lock"))
    if len(ref) > MAX_REF or wrong or not _REF.match(ref):
        raise InvalidError(
            "That is no branch, tag or whole commit ID, or it has letters that are not taken.", path="git.ref"
        )


def _check_folder(folder: str) -> None:
    parts = folder.split("/")
    odd = any(part in {"", ".", ".."} or part.lower() == ".git" for part in parts)
    if len(folder) > MAX_FOLDER or odd or not _FOLDER.match(folder) or not folder.isprintable():
        raise InvalidError(
            "A folder of the repository is named as a/b, without a slash at its ends and without dots for names.",
            path="git.folder",
        )


def _wrong(public: str) -> InvalidError:
    return InvalidError(public, path="git.url")
