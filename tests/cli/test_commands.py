"""Commands over the real API: results, dry runs, JSON, exit statuses, hostile arguments."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path
from typing import Any

import pytest

from serai.cli.exit import STATUS
from serai.errors import BY_CODE

HOSTILE = ["$(reboot)", "a;b", "../../etc", "/etc/passwd", "😀", "a\x00b", "x" * (1 << 20), "a b", "A", "-x-"]


@pytest.fixture
def program(tmp_path: Path) -> Path:
    folder = tmp_path / "My App_2"
    folder.mkdir()
    (folder / "index.html").write_text("hello")
    return folder


def test_every_code_has_an_exit_status_of_its_own() -> None:
    assert STATUS.keys() == BY_CODE.keys()
    assert len(set(STATUS.values()) | {0, 2, 130}) == len(STATUS) + 3


def test_the_home_is_taken_before_or_after_any_command(api: Any, serai: Any, home: Path, monkeypatch: Any) -> None:
    monkeypatch.setenv("SERAI_HOME", "/nonexistent")
    assert serai("tenant", "list").status == STATUS["unavailable"]
    for words in (
        ["--home", str(home), "tenant", "list"],
        [f"--home={home}", "tenant", "list"],
        ["tenant", "--home", str(home), "list"],
        ["tenant", "list", "--json", "--home", str(home)],
    ):
        assert serai(*words).status == 0, words


def test_a_tenant_is_made_listed_and_shown(api: Any, serai: Any) -> None:
    assert serai("tenant", "create", "demo", "--dry-run").status == 0
    assert json.loads(serai("tenant", "list", "--json").out) == []
    made = serai("tenant", "create", "demo", "--title", "A shop", "--memory-mb", "1024")
    assert (made.status, made.out) == (0, "")
    listed = json.loads(serai("tenant", "list", "--json").out)
    assert [(one["name"], one["uid"], one["memory_mb"]) for one in listed] == [("demo", 1, 1024)]
    assert "A shop" in serai("tenant", "show", "demo").out
    shown = json.loads(serai("tenant", "show", "demo", "--json").out)
    assert (shown["tasks"], shown["tasks_waiting"]) == (1_000_000, 0)
    assert serai("tenant", "set", "demo", "--processes", "8000", "--title", "Two shops").status == 0
    assert serai("tenant", "set", "demo", "--memory-mb", "64", "--dry-run").status == 0
    [listed] = json.loads(serai("tenant", "list", "--json").out)
    assert (listed["processes"], listed["title"], listed["memory_mb"]) == (8000, "Two shops", 1024)
    assert serai("tenant", "set", "demo").status == STATUS["invalid"]
    assert serai("tenant", "set", "nobody", "--processes", "9").status == STATUS["not_found"]
    again = serai("tenant", "create", "demo")
    assert (again.status, again.err) == (STATUS["already_exists"], "serai: There is a tenant demo already.\n")


def test_a_folder_is_deployed_and_looked_after(api: Any, serai: Any, program: Path) -> None:
    serai("tenant", "create", "demo")
    done = serai("deploy", str(program), "--no-wait")
    assert (done.status, done.out) == (0, "https://demo.localhost/my-app-2/\n")
    told = json.loads(serai("deploy", str(program), "--app", "hello", "--no-live", "--no-wait", "--json").out)
    assert told["url"] == told["release_url"] == "https://demo.localhost/hello/1/"
    assert {one["name"] for one in json.loads(serai("app", "list", "--json").out)} == {"hello", "my-app-2"}
    assert serai("app", "scale", "hello", "3").status == 0
    assert json.loads(serai("app", "show", "hello", "--json").out)["scale"] == {"web": 3}
    assert serai("app", "env", "set", "hello", "KEY=a=b c", "OTHER=", "--plain").status == 0
    assert json.loads(serai("app", "env", "list", "hello", "--json").out) == {"KEY": "a=b c", "OTHER": ""}
    assert serai("app", "env", "set", "hello", "KEY=secret").status == 0
    assert json.loads(serai("app", "env", "list", "hello", "--json").out) == {"KEY": None, "OTHER": ""}
    assert serai("app", "env", "unset", "hello", "OTHER").status == 0
    assert serai("app", "domain", "add", "hello", "www.example.test").status == 0
    assert json.loads(serai("app", "domain", "list", "hello", "--json").out)[0]["host"] == "www.example.test"
    assert serai("app", "domain", "remove", "hello", "www.example.test").status == 0
    assert json.loads(serai("release", "list", "hello", "--json").out)[0]["state"] == "waiting"
    assert re.search(r"^created: 20\d\d-\d\d-\d\dT", serai("release", "show", "hello", "1").out, re.MULTILINE)
    assert serai("release", "promote", "hello", "1").status == STATUS["conflict"]
    assert serai("release", "rollback", "hello").status == STATUS["conflict"]
    assert serai("app", "delete", "hello").status == STATUS["invalid"]


def test_tasks_are_listed_canceled_and_told(api: Any, serai: Any, program: Path) -> None:
    serai("tenant", "create", "demo")
    serai("deploy", str(program), "--app", "hello", "--no-wait")
    tasks = json.loads(serai("task", "list", "--json").out)
    build = next(task["id"] for task in tasks if task["function"] == "apps.build")
    assert serai("task", "cancel", build, "--dry-run").status == 0
    assert serai("task", "cancel", build).status == 0
    told = json.loads(serai("task", "show", build, "--json").out)
    assert told["state"] == "canceled"
    assert [step["who"] for step in told["story"]] == ["user:root", "user:root"]
    assert serai("task", "retry", build).status == 0
    assert serai("task", "show", "nothing").status == STATUS["not_found"]
    assert serai("task", "list", "--state", "asleep").status == STATUS["invalid"]


def test_a_dry_run_changes_nothing(api: Any, serai: Any, program: Path) -> None:
    serai("tenant", "create", "demo")
    serai("deploy", str(program), "--app", "hello", "--no-wait")
    last = serai("app", "show", "hello", "--json").out
    for words in (
        ["deploy", str(program), "--app", "hello"],
        ["app", "scale", "hello", "5"],
        ["app", "env", "set", "hello", "A=1"],
        ["app", "env", "unset", "hello", "A"],
        ["app", "domain", "add", "hello", "www.example.test"],
        ["app", "domain", "remove", "hello", "www.example.test"],
        ["app", "restart", "hello"],
        ["app", "delete", "hello"],
        ["release", "promote", "hello", "1"],
        ["release", "rollback", "hello"],
        ["tenant", "create", "other"],
        ["trust"],
        ["untrust"],
    ):
        assert serai(*words, "--dry-run").status in {0, STATUS["not_found"]}, words
    assert serai("app", "show", "hello", "--json").out == last
    assert len(json.loads(serai("release", "list", "hello", "--json").out)) == 1


def test_which_tenant_is_asked_where_it_is_not_clear(api: Any, serai: Any, monkeypatch: Any) -> None:
    none = serai("app", "list")
    assert (none.status, "serai tenant create" in none.err) == (STATUS["invalid"], True)
    serai("tenant", "create", "one")
    assert serai("app", "list").status == 0
    serai("tenant", "create", "two")
    both = serai("app", "list")
    assert (both.status, "one, two" in both.err) == (STATUS["invalid"], True)
    monkeypatch.setenv("SERAI_TENANT", "two")
    assert serai("app", "list").status == 0


@pytest.mark.parametrize("value", HOSTILE)
def test_a_hostile_argument_is_one_clear_sentence_and_leaves_nothing(
    api: Any, serai: Any, program: Path, value: str
) -> None:
    serai("tenant", "create", "demo")
    for words in (
        ["tenant", "create", "--", value],
        ["tenant", "show", "--", value],
        ["app", "show", "--", value],
        ["app", "scale", "--", value, "2"],
        ["app", "env", "set", "--", value, "A=1"],
        ["app", "domain", "add", "--", "hello", value],
        ["app", "list", f"--tenant={value}x"],
        ["deploy", str(program), "--no-wait", f"--app={value}"],
        ["deploy", str(program), "--no-wait", "--app=hello", f"--to={value}"],
        ["release", "promote", "hello", "--", value],
        ["task", "show", "--", value],
    ):
        done = serai(*words)
        assert done.status in {2, STATUS["invalid"], STATUS["not_found"], STATUS["exhausted"]}, done.err[:300]
        assert "Traceback" not in done.err
        assert "own mistake" not in done.err
        assert len(done.err) < 5000
        assert "\x00" not in done.err
        assert done.out == ""
    assert [one["name"] for one in json.loads(serai("tenant", "list", "--json").out)] == ["demo"]
    assert json.loads(serai("app", "list", "--json").out) == []


@pytest.mark.parametrize("value", HOSTILE)
def test_a_hostile_path_is_refused_before_anything_is_sent(serai: Any, value: str) -> None:
    assert serai("deploy", "--", value).status in {STATUS["not_found"], STATUS["invalid"]}
    assert serai(f"--home={value}", "tenant", "list").status in {STATUS["unavailable"], STATUS["invalid"]}


def test_wrong_usage_is_2_and_says_what_is_right(serai: Any) -> None:
    for words in (["colour"], ["app", "paint"], ["app", "scale"], ["app", "scale", "x", "many"], ["status", "--no"]):
        done = serai(*words)
        assert done.status == 2, words
        assert done.err
    assert serai("--version").out.startswith("serai ")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_gets_its_completion(serai: Any, shell: str) -> None:
    assert "_SERAI_COMPLETE" in serai("completion", shell).out


def test_a_repository_is_deployed_by_its_url_and_its_token_is_shown_to_nobody(
    api: Any, serai: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    serai("tenant", "create", "demo")
    url = "https://1.1.1.1/a/My-Shop.git"
    dry = serai("deploy", f"{url}#v1", "--folder", "site", "--dry-run")
    assert (dry.status, dry.out) == (0, "")
    assert dry.err == f"Would fetch site of {url} (v1) and deploy it as my-shop.\n"
    done = serai("deploy", f"{url}#v1", "--folder", "site", "--no-wait", "--json")
    assert done.status == 0, done.err
    told = json.loads(done.out)
    assert told["url"] == "https://demo.localhost/my-shop/"
    shown = json.loads(serai("release", "show", "my-shop", "1", "--json").out)
    assert shown["git"] == {"url": url, "ref": "v1", "folder": "site", "commit": ""}
    assert [one["function"] for one in json.loads(serai("task", "list", "--json").out)][-2:] == [
        "apps.build",
        "apps.fetch",
    ]
    for refused, said in (
        ("git@git.example.org:x.git", "no SSH key"),
        ("http://git.example.org/x", "not encrypted"),
        ("https://me:s3cret@git.example.org/x", "deploy token"),
        ("https://127.0.0.1/x", "leads to this host"),
    ):
        done = serai("deploy", refused, "--app", "other", "--no-wait")
        assert (done.status, "s3cret" in done.err, said in done.err) == (STATUS["invalid"], False, True), done.err
    assert serai("deploy", ".", "--folder", "x").status == STATUS["invalid"]
    assert [one["name"] for one in json.loads(serai("app", "list", "--json").out)] == ["my-shop"]

    assert serai("app", "git", "show", "my-shop").status == STATUS["not_found"]
    monkeypatch.setattr("sys.stdin", io.StringIO("s3cret\n"))
    done = serai("app", "git", "set", "my-shop", "https://git.example.org/a/My-Shop.git", "--username", "me")
    assert (done.status, done.err) == (0, "my-shop has a deploy token for git.example.org.\n")
    assert serai("app", "git", "show", "my-shop").out == "git.example.org as me\n"
    assert "s3cret" not in serai("export").out
    assert serai("app", "git", "unset", "my-shop").status == 0
    assert serai("app", "git", "show", "my-shop").status == STATUS["not_found"]
