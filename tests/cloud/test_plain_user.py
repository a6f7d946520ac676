import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

HERE = Path(__file__).parent
USER = str(1_900_000_000 + 8 * os.getpid() + 2)  # nobody else's, also of tests that run beside these


@pytest.mark.root
@pytest.mark.timeout(240)
@pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes another user")
@pytest.mark.parametrize("name", ["test_conformance.py", "test_escape.py"])
def test_a_plain_user_has_the_same(name):
    home = Path(tempfile.mkdtemp(prefix="serai-home-", dir="/var/tmp"))
    os.chown(home, int(USER), int(USER))
    become = ["setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups", "--"]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--basetemp={home}/tests"]
    env = {"HOME": str(home), "PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1", "TMPDIR": str(home)}
    try:
        ended = subprocess.run(
            [*become, *command, str(HERE / "drivers" / "process" / name)],
            check=False,
            env=env,
            cwd=HERE.parent.parent,
            capture_output=True,
            text=True,
            timeout=230,
        )
    finally:
        shutil.rmtree(home, ignore_errors=True)
    assert ended.returncode == 0, ended.stdout[-6000:] + ended.stderr[-2000:]
