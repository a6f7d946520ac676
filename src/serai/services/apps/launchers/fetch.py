"""Fetch one commit of a git repository: what runs in the sandbox of a fetch, and asks the proxy for all else.

    fetch.py fetch URL REF FOLDER OCTETS   fetch REF ("": the default branch), leave a tar stream of FOLDER ("": all)
    fetch.py credential get|store|erase    git's credential helper (gitcredentials(7)): the proxy has the token

There is no work tree, so no link, hook, filter or attribute of the repository takes effect; git's settings are written
here, and none is read elsewhere. No file may become larger than OCTETS. What is left in /fetch: ``tree.tar`` and
``commit``. The last line on standard error says what went wrong.
"""

from __future__ import annotations

import os
import resource
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

PROXY = ("127.0.0.1", 3128)
PATIENCE = 10.0  # seconds until the proxy is there
WORK = Path("/fetch")
LONGEST = 500  # characters of a line
POINTER = "version https://git-lfs.github.com/spec/v1"
POINTER_OCTETS = 1024  # what a pointer file is smaller than
FETCH_WORDS, CREDENTIAL_WORDS = 5, 2

SETTINGS = {
    "protocol.allow": "never",
    "protocol.https.allow": "always",
    "http.proxy": "http://{}:{}".format(*PROXY),
    "http.followRedirects": "initial",
    "http.sslVerify": "true",
    "credential.helper": f"{sys.executable} -I -S {Path(__file__).absolute()} credential",
    "core.hooksPath": "/dev/null",
    "core.fsmonitor": "false",
    # Larger files are streamed instead of read into memory.
    "core.bigFileThreshold": "16m",
    "fetch.unpackLimit": "1",  # one pack, however small: no file for each object
    "fetch.recurseSubmodules": "false",
    "transfer.bundleURI": "false",
    "pack.threads": "1",
    "grep.threads": "1",
    "gc.auto": "0",
    "maintenance.auto": "false",
    "tar.umask": "0022",
}
#: What a repository says about its own archive or about filters does not count: all files come, as they are.
ATTRIBUTES = "* -export-ignore -export-subst -filter -ident\n"


class WrongError(Exception):
    """Something that the person who deploys should know."""


def environment() -> dict[str, str]:
    """Return what git is told, which is all that it knows."""
    told = {
        "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
        "HOME": "/tmp",  # noqa: S108  of the sandbox
        "LANG": "C.UTF-8",
        "GIT_DIR": str(WORK / "repository"),
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_ATTR_NOSYSTEM": "1",
        "GIT_ALLOW_PROTOCOL": "https",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_SSL_CAINFO": os.environ["SSL_CERT_FILE"],
        "GIT_CONFIG_COUNT": str(len(SETTINGS)),
    }
    for number, (name, value) in enumerate(SETTINGS.items()):
        told[f"GIT_CONFIG_KEY_{number}"], told[f"GIT_CONFIG_VALUE_{number}"] = name, value
    return told


def fetch(url: str, ref: str, folder: str, octets: int) -> None:
    """Fetch, and leave the files; raise `WrongError`."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (octets, octets))
    wait_for_proxy()
    git("init", "--quiet", "--bare", "--template=")
    attributes = WORK / "repository/info/attributes"
    attributes.parent.mkdir(exist_ok=True)
    attributes.write_text(ATTRIBUTES)
    what = ("fetch", "--progress", "--depth=1", "--no-tags", "--no-recurse-submodules", "--no-auto-maintenance")
    git(*what, "--", url, ref or "HEAD", large="The repository", octets=octets)
    commit = git(
        "rev-parse", "--verify", "--quiet", "--end-of-options", "FETCH_HEAD^{commit}", wrong="That is no commit."
    )
    tree = f"{commit}:{folder}" if folder else commit
    no_folder = f"There is no folder {folder} in it."
    if git("cat-file", "-t", tree, wrong=no_folder) not in {"tree", "commit"}:
        raise WrongError(no_folder)
    say(f"Fetched {commit}.")
    if folder == "" and has(commit, ".gitmodules"):
        say("It has submodules, which are not fetched.")
    if name := pointer(commit, folder):
        raise WrongError(f"{name} is kept elsewhere as a large file (Git LFS), which is not fetched: commit it itself.")
    git(
        "archive",
        "--format=tar",
        f"--output={WORK / 'tree.tar'}",
        tree,
        large="What is in the repository",
        octets=octets,
    )
    (WORK / "commit").write_text(commit)


def pointer(commit: str, folder: str) -> str:
    """Return the name of a file that only points to a large one (Git LFS pointer files, version 1), "" for none.

    Deployed, it would be a few lines of text in the place of a picture or a model. Looked for where attributes say that
    there are some: a text about them is none.
    """
    if not found("grep", "-lz", "-F", "-e", "filter=lfs", commit, "--", ":(glob)**/.gitattributes"):
        return ""
    below = (f":(literal){folder}",) if folder else ()
    for line in found("grep", "-lz", "-F", "-e", POINTER, commit, "--", *below).split(b"\0"):
        name = os.fsdecode(line)
        small = name and int(found("cat-file", "-s", name) or POINTER_OCTETS) < POINTER_OCTETS
        if small and found("cat-file", "blob", name).startswith(POINTER.encode()):
            return printable(line.partition(b":")[2])
    return ""


def found(*words: str) -> bytes:
    """Return what git finds within a commit that was fetched; nothing where it fails."""
    told = subprocess.run(["git", *words], env=environment(), check=False, capture_output=True)
    return told.stdout if told.returncode == 0 else b""


def has(commit: str, name: str) -> bool:
    """Tell whether a commit has a file of that name at its root."""
    told = subprocess.run(
        ["git", "cat-file", "-e", f"{commit}:{name}"], env=environment(), check=False, capture_output=True
    )
    return told.returncode == 0


def git(*words: str, wrong: str = "", large: str = "", octets: int = 0) -> str:
    """Run git, show what it says, return its output; `WrongError` where it fails, in its own words or ``wrong``."""
    try:
        process = subprocess.Popen(["git", *words], env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    except FileNotFoundError:
        raise WrongError("This host has no git.") from None
    last = ""
    for line in lines(process.stderr):
        last = line
        say(line)
    output = process.stdout.read(4096).decode().strip() if process.stdout else ""
    code = process.wait()
    if large and code != 0 and (code == -signal.SIGXFSZ or "File too large" in last or too_large(octets)):
        raise WrongError(f"{large} is larger than {octets >> 20} MiB.")
    if code == -signal.SIGKILL:
        raise WrongError("Git needs more memory for that than it gets.")
    if code != 0:
        raise WrongError(wrong or last.removeprefix("fatal: ") or f"git {words[0]} ended with {code}.")
    return output


def too_large(octets: int) -> bool:
    """Tell whether a file became as large as one may be: a process of git's may have been killed for it, in silence."""
    return any(path.stat().st_size >= octets for path in WORK.rglob("*") if path.is_file())


def lines(stream: IO[bytes] | None) -> Iterator[str]:
    """Yield what git says, line by line; of a progress, which overwrites itself, each tenth part."""
    rest, shown = b"", ""
    while stream and (data := os.read(stream.fileno(), 4096)):
        *whole, rest = (rest + data).replace(b"\r", b"\n").split(b"\n")
        rest = rest[-LONGEST:]
        for one in whole:
            line = printable(one)
            head, percent, _ = line.partition("%")
            key = f"{head[:-1]}%" if percent else line
            if line and (key != shown or "done" in line):
                shown = key
                yield line
    if last := printable(rest):
        yield last


def printable(data: bytes) -> str:
    """Return what a server may have said as text that steers no terminal."""
    text = data.decode("utf-8", "replace")[:LONGEST]
    return "".join(letter for letter in text if letter.isprintable()).strip()


def say(line: str) -> None:
    """Show a line."""
    print(line, file=sys.stderr, flush=True)  # noqa: T201  the log of the fetch


def wait_for_proxy() -> None:
    """Return when the proxy is there, which it is soon after this began."""
    end = time.monotonic() + PATIENCE
    while True:
        try:
            socket.create_connection(PROXY, timeout=PATIENCE).close()
            return
        except OSError:
            if time.monotonic() > end:
                raise WrongError("The proxy did not come.") from None
            time.sleep(0.01)


def credential(verb: str, told: str) -> str:
    """Answer git as a credential helper: what the proxy has for that host, over https only."""
    about = dict(line.split("=", 1) for line in told.splitlines() if "=" in line)
    method = {"get": "GET", "erase": "DELETE"}.get(verb)
    if method is None or about.get("protocol") != "https" or not about.get("host", "").isprintable():
        return ""
    with socket.create_connection(PROXY, timeout=PATIENCE) as proxy:
        proxy.sendall(f"{method} token HTTP/1.1\r\nHost: {about['host']}\r\n\r\n".encode())
        with proxy.makefile("rb") as stream:
            head, _, body = stream.read(16384).partition(b"\r\n\r\n")
    return body.decode() if verb == "get" and head.split(b" ")[1:2] == [b"200"] else ""


def main(argv: list[str]) -> None:
    """Fetch, or be git's helper."""
    # No `match`: the host's own interpreter may be older than the platform's.
    if argv[:1] == ["fetch"] and len(argv) == FETCH_WORDS:
        try:
            fetch(argv[1], argv[2], argv[3], int(argv[4]))
        except WrongError as error:
            raise SystemExit(str(error)) from None
    elif argv[:1] == ["credential"] and len(argv) == CREDENTIAL_WORDS:
        sys.stdout.write(credential(argv[1], sys.stdin.read(8192)))
    else:
        raise SystemExit("usage: fetch.py fetch URL REF FOLDER OCTETS | credential get|store|erase")


if __name__ == "__main__":
    main(sys.argv[1:])
