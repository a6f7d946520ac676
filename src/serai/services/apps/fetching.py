"""The step before a build: a commit of a repository becomes a blob, as if somebody had uploaded it."""

from __future__ import annotations

import asyncio
import os
import re
import stat
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import BinaryIO

from msgspec.structs import replace

from serai.cloud.drivers import Limits, Mount, Workload
from serai.daemon.home import Home
from serai.errors import DeadlineError, ExhaustedError, InvalidError, SeraiError
from serai.identity.seal import open_keyring
from serai.services.apps import tokens
from serai.services.apps.git.outside import Outside
from serai.services.apps.git.proxy import Proxy
from serai.services.apps.git.source import Source, check
from serai.services.apps.git.token import Token
from serai.services.apps.launch import Place, workload_id
from serai.services.apps.picture import take
from serai.services.apps.recipes import contract
from serai.services.apps.seal import clear
from serai.services.apps.steps import FailedError, fail, release_of, write
from serai.services.apps.work import Room, Work, plain, run, shown
from serai.store.blobs import Blob, Blobs

FOLDER = "/fetch"  # inside
AUTHORITIES = "/serai/authorities.pem"  # inside, where the operator has some
NAME, OWN = "fetch", "authorities.pem"  # in the app's folder, while it is fetched
PROCESSES, TMP_MB, WEIGHT = 64, 64, 10
_COMMIT = re.compile(rb"[0-9a-f]{40}(?:[0-9a-f]{24})?\Z")
#: What git says while it waits for a server's objects, and sorts them.
_PROGRESS = re.compile(r"(?P<what>Receiving objects|Resolving deltas): +(?P<percent>\d{1,3})%")
_SHARE = {"Receiving objects": (0.1, 0.7), "Resolving deltas": (0.8, 0.1)}
CHUNK = 256 << 10


async def fetch(work: Work, number: int, outside: Outside) -> str:
    """Fetch what a release is made of; return what it was, as a sentence. Safe to begin again after a crash.

    Where that does not work, the release has failed, and says why; nothing of what came is left.
    """
    record = release_of(await take(work.store, work.site, work.tenant, work.app), number)
    source = record.spec.git
    if source is None or record.spec.blob:
        return "It was fetched before."
    where = await work.place()
    try:
        commit, blob = await _fetch(work, where, number, source, outside)
    except SeraiError as error:
        if error.temporary:
            raise
        await fail(work, number, error.public, str(error.fields.get("tail", "")))
        raise FailedError(error.public) from error
    fetched = replace(source, commit=commit)
    await write(
        work, number, lambda spec: replace(spec, blob=blob.id, git=fetched, state="waiting", reason="", tail="")
    )
    return f"Fetched {commit[:12]} of {source.url}: {blob.size >> 10} KiB."


async def _fetch(work: Work, where: Place, number: int, source: Source, outside: Outside) -> tuple[str, Blob]:
    place = check(source)  # again: what is stored may be older than a rule
    work.tell(0.02, f"Connect to {place}")
    await outside.addresses(place)
    sealed, _ = await tokens.stored(work.store, work.tenant, work.app)
    token = sealed.opened(open_keyring(Home(work.home).keys), work.tenant, work.app) if sealed else None
    folder = where.folder / NAME
    await asyncio.to_thread(clear, folder)
    folder.mkdir(mode=0o700)
    try:
        if where.uid is not None:
            os.chown(folder, where.uid, where.uid)
        await _run(work, where, number, source, outside, token)
        work.tell(0.95, "Keep")
        return _commit(folder / "commit"), await _kept(work, folder / "tree.tar", outside.bounds.file)
    finally:
        await asyncio.shield(asyncio.to_thread(clear, folder))
        (where.folder / OWN).unlink(missing_ok=True)


async def _run(work: Work, where: Place, number: int, source: Source, outside: Outside, token: Token | None) -> None:
    proxy, bounds = Proxy(outside, token), outside.bounds
    archive, room = where.folder / "logs" / f"build.{number}.log", Room((where.folder / NAME,), bounds.disk_mb)
    work.note(f"--- Fetch {source.ref or 'the default branch'} of {source.url}")
    watched = replace(work, note=_noted(work))
    try:
        workload = _workload(where, number, source, outside)
        ended, lines = await run(watched, workload, bounds.seconds, archive, room, proxy.open)
    except (DeadlineError, ExhaustedError) as error:
        raise InvalidError(f"Fetching the repository: {proxy.trouble or error.public}") from error
    finally:
        await proxy.close()
    if ended.reason == "out_of_memory":
        raise InvalidError(f"Git needs more than {bounds.memory_mb} MiB for that.", tail=shown(lines))
    if ended.code != 0:
        raise InvalidError(_why(proxy, source, token, lines), tail=shown(lines))


def _why(proxy: Proxy, source: Source, token: Token | None, lines: list[str]) -> str:
    """Return why git could not fetch: what the proxy saw is the cause, what git says often only follows from it."""
    if proxy.trouble:
        return proxy.trouble
    place = check(source)
    if proxy.refused:
        return f"{place} does not accept the app's deploy token, or the repository is not there."
    if proxy.asked and token is None:
        return f"{place} wants to know who asks: give the app a deploy token (serai app git set)."
    if proxy.asked and token is not None and token.place != place:
        return f"{place} wants to know who asks, and the app's deploy token is for {token.place}."
    said = next((plain(line) for line in reversed(lines) if plain(line).strip()), "it said nothing")
    return f"Git could not fetch it: {said}"


def _noted(work: Work) -> Callable[[str], None]:
    """Return what keeps a line, and tells the progress that it is about."""

    def note(line: str) -> None:
        work.note(line)
        if found := _PROGRESS.search(line):
            begin, share = _SHARE[found["what"]]
            work.tell(begin + share * min(int(found["percent"]), 100) / 100, found["what"])

    return note


def _workload(where: Place, number: int, source: Source, outside: Outside) -> Workload:
    mounts = [Mount(where.folder / NAME, FOLDER, writable=True), Mount(where.launchers, contract.LIB)]
    certificates = contract.CERTIFICATES
    if outside.authorities:
        mounts.append(Mount(_authorities(where, Path(outside.authorities)), AUTHORITIES))
        certificates = AUTHORITIES
    words = ("fetch", source.url, source.ref, source.folder, str(outside.bounds.file))
    return Workload(
        id=workload_id("fetch", where.tenant, f"{where.app}.{number}"),
        uid=where.uid,
        argv=("python3", "-I", "-S", f"{contract.LIB}/fetch.py", *words),
        env={"PATH": contract.PATH, "LANG": "C.UTF-8", "SSL_CERT_FILE": certificates},
        cwd=FOLDER,
        mounts=tuple(mounts),
        limits=Limits(
            memory_mb=outside.bounds.memory_mb, cpu=1.0, processes=PROCESSES, tmp_mb=TMP_MB, log_mb=1, weight=WEIGHT
        ),
        network="private",
        build=True,
    )


def _authorities(where: Place, own: Path) -> Path:
    """Put the operator's authorities beside the system's: git takes one file."""
    path = where.folder / OWN
    try:
        path.write_bytes(Path(contract.CERTIFICATES).read_bytes() + b"\n" + own.read_bytes())
    except OSError as error:
        raise InvalidError(f"The certificates of authorities can't be read: {error.strerror}.") from error
    path.chmod(0o644)
    return path


def _commit(path: Path) -> str:
    with _opened(path, 100) as file:
        text = file.read(100)
    if not _COMMIT.match(text):
        raise InvalidError("Git did not say which commit it fetched.")
    return text.decode()


async def _kept(work: Work, path: Path, most: int) -> Blob:
    """Keep a tar stream as a blob, as an upload would be."""

    async def chunks() -> AsyncIterator[bytes]:
        with _opened(path, most) as file:
            while chunk := await asyncio.to_thread(file.read, CHUNK):
                yield chunk

    return await Blobs(work.home / "data/blobs").put(chunks(), limit=most)


def _opened(path: Path, most: int) -> BinaryIO:
    """Open what the sandbox left; nothing of it runs any more. `InvalidError` for anything but a file of that size."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise InvalidError("The fetch left nothing that could be deployed.") from error
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode) or status.st_size > most:
        os.close(descriptor)
        raise InvalidError("The fetch left nothing that could be deployed.")
    return os.fdopen(descriptor, "rb")
