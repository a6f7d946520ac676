"""Let a program write beside its code: links into the data folder, in a release that is read-only.

    persist.py link FOLDER PATH…    at build: put links to ``$DATA_DIR/PATH`` at FOLDER/PATH, and what was there aside
    persist.py run -- PROGRAM…      before a program: copy what was put aside to where it does not exist yet

SQLite follows links to the real file, so that its journal lies beside it. What is there stays: a new release never
replaces what the program has written.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
from pathlib import Path

DATA = Path("/data")


def link(folder: Path, paths: list[str], data: Path = DATA) -> None:
    """Replace each path below ``folder`` by a link to the same path below ``data``, and keep it as a seed."""
    seeds = folder / ".serai/seeds"
    seeds.mkdir(parents=True, exist_ok=True)
    for path in paths:
        place, seed = folder / path, seeds / path
        if place.is_symlink():
            place.unlink()
        elif place.exists():
            seed.parent.mkdir(parents=True, exist_ok=True)
            place.rename(seed)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.symlink_to(data / path)
    (seeds.parent / "persist.json").write_text(json.dumps(paths))


def sow(folder: Path, data: Path = DATA) -> None:
    """Copy each seed to its place in the data folder where nothing is; several processes may do so at once."""
    listing = folder / ".serai/persist.json"
    for path in json.loads(listing.read_text()) if listing.exists() else ():
        seed, place = folder / ".serai/seeds" / path, data / path
        place.parent.mkdir(parents=True, exist_ok=True)
        if place.exists():
            continue
        # By chance, not by process: instances have their own process numbers and share this folder.
        beside = place.with_name(f"{place.name}.{os.urandom(8).hex()}.new")
        if seed.is_dir():
            shutil.copytree(seed, beside, symlinks=True)
        elif seed.exists():
            shutil.copyfile(seed, beside)
        else:
            continue
        _place(beside, place)


def _place(beside: Path, place: Path) -> None:
    """Move it there unless somebody was faster: link() and rename() of a folder refuse what exists."""
    try:
        if beside.is_dir():
            beside.rename(place)
        else:
            os.link(beside, place)
            beside.unlink()
    except OSError:
        if not place.exists():
            raise
        if beside.is_dir():
            shutil.rmtree(beside)
        else:
            beside.unlink()


def main(argv: list[str]) -> None:
    """Link, or sow and become the program."""
    data = Path(os.environ.get("DATA_DIR", DATA))
    match argv:
        case ["link", folder, *paths] if paths:
            # A build has no data folder: the links lead to where it will be.
            link(Path(folder), paths)
        case ["run", "--", program, *arguments]:
            sow(Path.cwd(), data)
            for number in (signal.SIGPIPE, signal.SIGXFSZ):  # which this interpreter ignores, and exec() would leave so
                signal.signal(number, signal.SIG_DFL)
            os.execvp(program, [program, *arguments])  # noqa: S606  becoming the program is the point
        case _:
            raise SystemExit("usage: persist.py link FOLDER PATH… | run -- PROGRAM…")


if __name__ == "__main__":
    main(sys.argv[1:])
