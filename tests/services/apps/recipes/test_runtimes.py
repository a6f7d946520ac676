import tempfile
from pathlib import Path

import pytest

from serai.services.apps.recipes.contract import LIB, UV
from serai.services.apps.recipes.runtimes import discover, tools


def program(path, text="#!/bin/sh\necho v20.1.2\n", mode=0o755):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(mode)


@pytest.fixture
def public():
    """Give a folder that others may enter, which pytest's own is not."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


def test_what_tenants_can_run_is_found(public):
    usr, home = public / "usr", public / "home"
    program(usr / "bin/python3.9")
    program(usr / "bin/python3.10", mode=0o700)
    program(usr / "bin/python3.11-config")
    (usr / "bin/python3").symlink_to("python3.9")
    program(usr / "local/bin/node")
    program(usr / "bin/node", "#!/bin/sh\necho v8.0.0\n")
    program(usr / "bin/php", "#!/bin/sh\nexit 3\n")
    program(home / "runtimes/python/3.13.1/bin/python3")
    program(home / "runtimes/python/.3.12/bin/python3")
    (home / "runtimes/node/broken").mkdir(parents=True)
    found = {(item.language, item.version): item for item in discover(home, usr)}
    assert set(found) == {("python", (3, 9)), ("node", (20, 1, 2)), ("python", (3, 13, 1))}
    own = found["python", (3, 13, 1)]
    assert own.mount.source == home / "runtimes/python/3.13.1"
    assert own.executable == f"{own.mount.target}/bin/python3" == "/serai/runtimes/python-3.13.1/bin/python3"
    assert own.env == {}
    (home / "runtimes/python/3.13.1/lib").mkdir()
    (home / "runtimes/python/3.13.1/lib/libpython3.13.so.1.0").touch()
    assert discover(home, usr)[-1].env == {"LD_LIBRARY_PATH": "/serai/runtimes/python-3.13.1/lib"}


def test_the_platforms_tools_are_there():
    lib, uv = tools()
    assert (lib.target, uv.target) == (LIB, UV)
    assert (lib.source / "web.py").exists()
    assert (lib.source / "gateway/__main__.py").exists()
    assert uv.source.stat().st_mode & 0o111
    assert (lib.writable, uv.writable) == (False, False)
