import signal
import subprocess
import sys
import threading
from pathlib import Path

from serai.services.apps.launchers import persist


def test_what_a_release_brings_is_where_its_data_starts_and_never_replaces_it(tmp_path):
    app, data = tmp_path / "app", tmp_path / "data"
    (app / "uploads").mkdir(parents=True)
    data.mkdir()
    (app / "db.sqlite3").write_text("seed")
    (app / "uploads/logo.png").write_text("logo")
    persist.link(app, ["db.sqlite3", "uploads", "var/new.log"], data)
    assert (app / "db.sqlite3").readlink() == data / "db.sqlite3"
    persist.sow(app, data)
    assert (app / "db.sqlite3").read_text() == "seed"
    assert (app / "uploads/logo.png").read_text() == "logo"
    (app / "var/new.log").write_text("the folder is there")
    (app / "db.sqlite3").write_text("changed")
    persist.sow(app, data)
    assert (data / "db.sqlite3").read_text() == "changed"
    assert sorted(path.name for path in data.iterdir()) == ["db.sqlite3", "uploads", "var"]


def test_many_processes_may_start_at_once(tmp_path):
    app, data = tmp_path / "app", tmp_path / "data"
    (app / "folder").mkdir(parents=True)
    (app / "folder/file").write_text("x")
    data.mkdir()
    persist.link(app, ["folder"], data)
    threads = [threading.Thread(target=persist.sow, args=(app, data)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [path.name for path in data.iterdir()] == ["folder"]
    assert (data / "folder/file").read_text() == "x"


def test_it_becomes_the_program(tmp_path):
    argv = [sys.executable, "-I", "-S", Path(persist.__file__), "run", "--", "/bin/echo", "a b", "$HOME"]
    done = subprocess.run(argv, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout == "a b $HOME\n"
    assert subprocess.run(argv[:5], capture_output=True, check=False).returncode == 1


def test_the_program_finds_no_signal_ignored(tmp_path):
    argv = [sys.executable, "-I", "-S", Path(persist.__file__), "run", "--", "grep", "SigIgn", "/proc/self/status"]
    done = subprocess.run(argv, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert int(done.stdout.split()[1], 16) & (1 << signal.SIGPIPE - 1 | 1 << signal.SIGXFSZ - 1) == 0
