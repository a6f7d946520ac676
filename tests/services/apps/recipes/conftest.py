"""Run a plan as the sandbox would, with its fixed paths replaced by folders of a test."""

import re
import shutil
import socket
import subprocess
import time
from pathlib import Path

import httpx
import pytest
import uv
from ports import free_port

from serai.services.apps import launchers
from serai.services.apps.recipes.contract import BUILD_ENV, RUN_ENV
from serai.services.apps.recipes.find import plan
from serai.services.apps.recipes.folder import Folder
from serai.services.apps.recipes.runtimes import discover

EXAMPLES = Path(__file__).parents[4] / "examples"
LAUNCHERS = Path(launchers.__file__).parent
OFFLINE = ("dns error", "Failed to fetch", "ENOTFOUND", "EAI_AGAIN", "ETIMEDOUT", "ECONNREFUSED")


class Running:
    """A web process that was started, and a client of it."""

    def __init__(self, argv, env, cwd, port, log):
        self.port, self.log = port, log
        with log.open("wb") as out:
            self.process = subprocess.Popen(argv, cwd=cwd, env=env, stdin=subprocess.DEVNULL, stdout=out, stderr=out)
        self.client = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30, trust_env=False)

    def wait(self):
        deadline = time.monotonic() + 40
        while True:
            if self.process.poll() is not None or time.monotonic() > deadline:
                pytest.fail(f"it did not start: {self.log.read_text()[-4000:]}")
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
            except OSError:
                time.sleep(0.02)
            else:
                return

    def stop(self):
        self.client.close()
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


@pytest.fixture(scope="session")
def package_cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def deploy(tmp_path, package_cache):
    """Build an example by its plan's steps, and start its web process."""
    started = []

    def go(name):
        app, data = tmp_path / "app", tmp_path / "data"
        shutil.copytree(EXAMPLES / name, app, ignore=shutil.ignore_patterns("node_modules", ".venv", "__pycache__"))
        data.mkdir()
        port = free_port()
        places = {
            "/app": app,
            "/data": data,
            "/cache": package_cache,
            "/serai/lib": LAUNCHERS,
            "/serai/bin/uv": uv.find_uv_bin(),
            "8000": port,
        }
        pattern = re.compile(rf"(?:(?<=[:=])|\A)({'|'.join(places)})(?=[/:]|\Z)")

        def here(text):
            return pattern.sub(lambda found: str(places[found[1]]), text)

        def environment(*parts):
            return {key: here(value) for part in parts for key, value in part.items()}

        def run(argv, *parts):
            return subprocess.run(
                [here(part) for part in argv],
                cwd=app,
                env=environment(*parts),
                capture_output=True,
                text=True,
                timeout=110,
                check=False,
            )

        _, _, made = plan(Folder(app), discover())
        for step in made.steps:
            done = run(step.argv, BUILD_ENV, made.env, step.env)
            if done.returncode and step.network and any(sign in done.stderr for sign in OFFLINE):
                pytest.skip("no package registry can be reached")
            assert done.returncode == 0, (step.title, done.stdout, done.stderr)
        for path in made.persist:  # the build's links lead to /data, which this machine has not
            (app / path).unlink()
            (app / path).symlink_to(data / path)
        if made.release:
            done = run(made.release.argv, RUN_ENV, made.env)
            assert done.returncode == 0, (done.stdout, done.stderr)
        web = made.processes["web"]
        env = environment(RUN_ENV, made.env, web.env)
        server = Running([here(part) for part in web.argv], env, app, port, tmp_path / "log")
        started.append(server)
        server.app, server.data, server.plan = app, data, made
        server.wait()
        return server

    yield go
    for server in started:
        server.stop()
