import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serai.cloud.drivers.contract import Mount
from serai.errors import InvalidError, UnsupportedError
from serai.services.apps.recipes.contract import Program, Recurring, Runtime, Static, Step
from serai.services.apps.recipes.find import RECIPES, plan
from serai.services.apps.recipes.folder import Folder, Tree

EXAMPLES = Path(__file__).parents[4] / "examples"
HERE = tuple(
    Runtime(language=language, version=version, executable=f"/usr/bin/{name}")
    for language, version, name in (
        ("python", (3, 9), "python3.9"),
        ("python", (3, 11), "python3.11"),
        ("node", (20, 20, 2), "node"),
        ("npm", (11, 1, 1), "npm"),
        ("php-cgi", (8, 2, 1), "php-cgi"),
        ("perl", (5, 36, 0), "perl"),
        ("plackup", (1, 50), "plackup"),
    )
)
FLASK = b"from flask import Flask\napp = Flask(__name__)\n"
EXPRESS = json.dumps({"scripts": {"start": "node server.js"}}).encode()
SQLITE = b"SQLite format 3\0" + b"\0" * 100


def planned(executables=(), **files):
    content = {name: data.encode() if isinstance(data, str) else data for name, data in files.items()}
    return plan(Tree(content, frozenset(executables)), HERE)


def recipe_of(files):
    return planned(**files)[1].recipe


@pytest.mark.parametrize(
    ("example", "recipe", "why"),
    [
        ("flask", "python", "WSGI object app:app"),
        ("django", "python", "Django project with library.settings"),
        ("websocket", "python", "ASGI object main:app"),
        ("datasette", "datasette", "datasette is among the requirements"),
        ("express", "node", "scripts.start of package.json"),
        ("php", "php", "index.php"),
        ("perl-cgi", "cgi", "CGI program cgi-bin/calendar.pl"),
        ("cgi-shell", "cgi", "CGI program cgi-bin/status.sh"),
        ("psgi", "perl", "PSGI program app.psgi"),
        ("procfile", "procfile", "web process of a Procfile"),
        ("static", "static", "index.html"),
    ],
)
def test_each_example_is_recognised(example, recipe, why):
    _, match, made = plan(Folder(EXAMPLES / example), HERE)
    assert (match.recipe, match.why, made.recipe) == (recipe, why, recipe)


def test_the_examples_are_all_here():
    assert {path.name for path in EXAMPLES.iterdir()} >= {"flask", "static", "psgi"}


@pytest.mark.parametrize(
    ("files", "recipe"),
    [
        ({"app.py": FLASK, "requirements.txt": "flask", "package.json": EXPRESS, "index.html": ""}, "python"),
        ({"requirements.txt": "mkdocs", "package.json": EXPRESS, "server.js": ""}, "node"),
        ({"package.json": "{}", "index.html": ""}, "static"),
        ({"a.db": SQLITE}, "datasette"),
        ({"a.db": SQLITE, "app.py": FLASK}, "python"),
        ({"a.db": SQLITE, "index.php": ""}, "php"),
        ({"index.php": "", "index.html": ""}, "php"),
        ({"Procfile": "web: ./run", "app.py": FLASK}, "procfile"),
        ({"app.toml": "recipe = 'static'", "index.html": "", "app.py": FLASK}, "static"),
        ({"app.toml": "[static]\nfolder = 'out'", "out/a.txt": ""}, "static"),
        ({"🍕.html": "", "index.html": ""}, "static"),
    ],
)
def test_what_a_person_says_wins_and_files_of_two_kinds_are_told_apart(files, recipe):
    assert recipe_of(files) == recipe


@pytest.mark.parametrize("files", [{}, {"README.md": "# Hello"}, {"a.db": b"no database"}, {"app.py\0": FLASK}])
def test_where_nothing_fits_the_error_lists_what_was_looked_for(files):
    with pytest.raises(UnsupportedError) as caught:
        planned(**files)
    assert len(caught.value.fields["looked_for"]) >= len(RECIPES)
    for phrase in ("package.json", "index.php", "Procfile", "app.psgi", "manage.py", "index.html"):
        assert phrase in str(caught.value)


def test_flask_is_planned_to_the_letter():
    _, _, made = planned(**{"app.py": FLASK, "requirements.txt": "flask==3.0\n"})
    venv, install = made.steps
    assert venv.argv == (
        *("/serai/bin/uv", "venv", "--no-project", "--clear"),
        *("--python", "/usr/bin/python3.11", "/app/.venv"),
    )
    assert install.argv == (
        *("/serai/bin/uv", "pip", "install", "--python", "/app/.venv/bin/python"),
        *("-r", "requirements.txt", "gunicorn"),
    )
    assert (venv.network, install.network, install.cached) == (False, True, True)
    assert install.env["UV_LINK_MODE"] == "copy"
    argv = ("/app/.venv/bin/python", "/serai/lib/web.py", "wsgi", "--root", "/app", "app:app")
    assert made.processes == {"web": Program(argv=argv)}
    assert (made.runtime, made.outputs, made.port) == ("python3.11", (".venv",), 8000)


def test_the_key_follows_from_what_is_installed_and_from_nothing_else():
    def key(**files):
        return planned(**{"app.py": FLASK, "requirements.txt": "flask", **files})[2].key

    assert key() == key(**{"app.py": FLASK + b"# more", "style.css": "x"})
    assert key() != key(**{"requirements.txt": "flask\nrequests"})
    assert key() != key(**{"requirements-base.txt": "requests"})
    assert key() != key(**{".python-version": "3.9"})
    local = planned(**{"app.py": FLASK, "requirements.txt": "flask\n./lib\n"})[2]
    assert [step.cached for step in local.steps] == [True, False]


def test_the_interpreter_is_the_one_asked_for():
    files = {"app.py": FLASK}
    assert planned(**files, **{".python-version": "3.9.7\n"})[2].runtime == "python3.9"
    assert (
        planned(**files, **{"app.toml": "runtime = 'python3.9'", ".python-version": "3.11"})[2].runtime == "python3.9"
    )
    pyproject = "[project]\nname='x'\nversion='1'\nrequires-python='<3.10'\ndependencies=['flask', 'gunicorn>20']"
    made = planned(**files, **{"pyproject.toml": pyproject})[2]
    assert made.runtime == "python3.9"
    assert made.steps[1].argv[-2:] == ("-r", "pyproject.toml")
    with pytest.raises(UnsupportedError) as caught:
        planned(**files, **{"app.toml": "runtime = 'python3.13'"})
    assert caught.value.fields["available"] == ("3.9", "3.11")


def test_an_interpreter_of_the_platform_is_mounted():
    mount = Mount(Path("/home/runtimes/python/3.13.1"), "/serai/runtimes/python-3.13.1")
    own = Runtime(language="python", version=(3, 13, 1), executable=f"{mount.target}/bin/python3", mount=mount)
    assert plan(Tree({"app.py": FLASK}), (*HERE, own))[2].runtime == "python3.11", "nobody asked for another one"
    _, _, made = plan(Tree({"app.py": FLASK, ".python-version": b"3.13"}), (*HERE, own))
    assert (made.runtime, made.mounts) == ("python3.13.1", (mount,))
    assert "/serai/runtimes/python-3.13.1/bin/python3" in made.steps[0].argv


def test_node_builds_with_development_tools_and_starts_without():
    package = {"scripts": {"build": "tsc", "start": "node dist/main.js --x=1"}, "engines": {"node": "^20"}}
    made = planned(**{"package.json": json.dumps(package), "package-lock.json": "{}"})[2]
    assert [step.argv for step in made.steps] == [
        ("/usr/bin/npm", "ci", "--include=dev"),
        ("/usr/bin/npm", "run", "build"),
        ("/usr/bin/npm", "prune", "--omit=dev"),
    ]
    assert made.processes["web"].argv == ("/usr/bin/env", "node", "dist/main.js", "--x=1")
    assert made.env["NODE_ENV"] == "production"


def test_a_node_that_the_host_lacks_comes_from_the_registry():
    package = {"scripts": {"start": "node server.js"}, "engines": {"node": ">=22"}}
    made = planned(**{"package.json": json.dumps(package)})[2]
    assert re.fullmatch(r"node-linux-(x64|arm64)@>=22", made.steps[0].argv[-1])
    assert made.steps[1].argv[0].startswith("/app/serai-runtime/node_modules/node-linux-")
    assert made.env["PATH"].startswith("/app/serai-runtime/node_modules/node-linux-")
    assert made.outputs == ("node_modules", "serai-runtime")


@pytest.mark.parametrize(
    ("package", "kept"),
    [
        ({"dependencies": {"express": "^5"}}, True),
        ({"dependencies": {"mine": "file:packages/mine"}}, False),
        ({"devDependencies": {"mine": "./packages/mine"}}, False),
        ({"workspaces": ["packages/*"]}, False),
        ({"scripts": {"start": "node server.js", "postinstall": "node patch.js"}}, False),
    ],
)
def test_what_npm_takes_from_the_folder_itself_is_never_taken_from_an_earlier_build(package, kept):
    made = planned(**{"package.json": json.dumps(package), "server.js": ""})[2]
    assert [step.cached for step in made.steps] == [kept]


@pytest.mark.parametrize(
    ("declared", "kept"),
    [
        ({"require": {"slim/slim": "^4"}}, True),
        ({"repositories": [{"type": "path", "url": "packages/x"}]}, False),
        ({"autoload": {"classmap": ["src"]}}, False),
        ({"scripts": {"post-install-cmd": "php artisan"}}, False),
    ],
)
def test_what_composer_takes_from_the_folder_itself_is_never_taken_from_an_earlier_build(declared, kept):
    tree = Tree({"index.php": b"<?php", "composer.json": json.dumps(declared).encode()})
    composer = Runtime(language="composer", version=(2, 5), executable="/usr/bin/composer")
    made = plan(tree, (*HERE, composer))[2]
    assert [(step.argv[0], step.cached) for step in made.steps] == [("/usr/bin/composer", kept)]


@pytest.mark.parametrize("text", ["", "[]", "{", "[" * 100000, "null", "\xff"])
def test_a_composer_json_that_is_none_is_an_error_that_names_it(text):
    tree = Tree({"index.php": b"<?php", "composer.json": text.encode("latin-1")})
    composer = Runtime(language="composer", version=(2, 5), executable="/usr/bin/composer")
    with pytest.raises(InvalidError) as caught:
        plan(tree, (*HERE, composer))
    assert caught.value.fields["path"] == "composer.json"


def test_a_perl_that_the_host_lacks_is_an_error_that_lists_what_there_is():
    assert planned(**{"app.psgi": "1", "app.toml": "runtime = 'perl5.36'"})[2].runtime == "perl5.36.0"
    with pytest.raises(UnsupportedError) as caught:
        planned(**{"app.psgi": "1", "app.toml": "runtime = 'perl5.38'"})
    assert caught.value.fields["available"] == ("5.36.0",)


def test_a_bundled_site_needs_no_process():
    package = {"scripts": {"build": "vite build", "dev": "vite"}, "devDependencies": {"vite": "5"}}
    made = planned(**{"package.json": json.dumps(package), "index.html": "", "vite.config.js": ""})[2]
    assert (made.target, made.static, dict(made.processes)) == ("static", (Static("/", "dist"),), {})


@pytest.mark.parametrize("text", ["", "[]", "{", "[" * 100000, "null", '{"scripts": [], "engines": 5, "main": {}}'])
def test_a_package_json_that_says_nothing_is_no_program(text):
    with pytest.raises((InvalidError, UnsupportedError)):
        planned(**{"package.json": text})


def test_a_procfile_installs_what_the_folder_declares():
    procfile = "# processes\nweb: gunicorn shop:app --bind 127.0.0.1:$PORT\nmail_out: python mail.py\nrelease: ./m\n"
    made = planned(**{"Procfile": procfile, "requirements.txt": "gunicorn", "package.json": "{}"})[2]
    assert [step.title for step in made.steps] == ["Install packages", "Make a virtual environment", "Install packages"]
    assert made.env["PATH"] == "/app/node_modules/.bin:/app/.venv/bin:/usr/local/bin:/usr/bin:/bin"
    assert made.processes == {
        "web": Program(argv=("/bin/sh", "-c", "exec gunicorn shop:app --bind 127.0.0.1:$PORT")),
        "mail-out": Program(argv=("/usr/bin/env", "python", "mail.py")),
    }
    assert made.release == Program(argv=("./m",))


@pytest.mark.parametrize("text", ["web", "web:", ": x", "1: x", "web: x\nb a d: y", "web: a\0b", b"web: \xff"])
def test_a_malformed_procfile_names_its_line(text):
    with pytest.raises(InvalidError) as caught:
        planned(Procfile=text)
    assert caught.value.fields["path"].startswith("Procfile")


def test_app_toml_adds_workers_schedules_static_files_and_what_persists():
    text = """
    persist = ["uploads"]
    [processes.worker]
    command = "python work.py"
    [[schedule]]
    name = "sweep"
    every_seconds = 60
    command = ["./sweep", "a b"]
    [static.paths]
    "/assets/" = "assets"
    [build]
    command = "make all"
    egress = false
    [env]
    MODE = "fast"
    """
    made = planned(**{"app.py": FLASK, "app.toml": text})[2]
    run = ("/usr/bin/python3", "-I", "-S", "/serai/lib/persist.py", "run", "--")
    assert made.processes["worker"].argv == (*run, "/usr/bin/env", "python", "work.py")
    assert made.processes["web"].argv[:6] == run
    assert made.recurring == (
        Recurring(name="sweep", program=Program(argv=(*run, "./sweep", "a b")), every_seconds=60.0),
    )
    assert made.static == (Static("/assets/", "assets"),)
    assert made.steps[-2] == Step(title="Run the build command", argv=("/usr/bin/env", "make", "all"))
    assert made.steps[-1].argv[-4:] == ("/serai/lib/persist.py", "link", "/app", "uploads")
    assert made.env["MODE"] == "fast"


def test_a_worker_without_a_command_is_refused():
    with pytest.raises(InvalidError) as caught:
        planned(**{"app.py": FLASK, "app.toml": "[processes.worker]\ninstances = 2"})
    assert caught.value.fields["path"] == "processes.worker.command"


SETTINGS = """
BASE_DIR = 1
STATIC_URL = "/static/"
STATIC_ROOT = BASE_DIR / "collected"
MEDIA_ROOT = os.path.join(BASE_DIR, "media")
DATABASES = {"default": {"ENGINE": "django.db.backends.postgresql", "NAME": "x"}}
WSGI_APPLICATION = "shop.wsgi.application"
"""
MANAGE = 'os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shop.settings")'


def test_django_collects_its_static_files_for_the_edge():
    files = {"manage.py": MANAGE, "shop/settings.py": SETTINGS, "requirements.txt": "Django"}
    made = planned(**files)[2]
    assert made.steps[2].argv == ("/app/.venv/bin/python", "/app/manage.py", "collectstatic", "--noinput")
    assert made.static == (Static("/static/", "collected"),)
    assert (made.persist, made.release) == (("media",), None)
    assert "--static-files" not in made.processes["web"].argv
    made = planned(**{**files, "requirements.txt": "Django\nwhitenoise"})[2]
    assert made.static == ()


def test_django_may_lie_one_level_below():
    files = {"site/manage.py": MANAGE, "site/shop/settings.py": "x = 1", "requirements.txt": "Django"}
    made = planned(**files)[2]
    assert made.processes["web"].argv[3:] == (
        *("--root", "/app/site", "--settings", "shop.settings", "--static-files"),
        "shop.wsgi:application",
    )


def test_php_prefers_its_public_folder_and_a_front_controller():
    argv = (
        planned(**{"public/index.php": "", "composer.json": "{}", "vendor/autoload.php": ""})[2].processes["web"].argv
    )
    assert argv[3:] == (
        *("/serai/lib/gateway", "--port", "8000", "--root", "/app/public"),
        *("--php", "/usr/bin/php-cgi", "--front", "index.php"),
    )


names = st.sampled_from(
    [
        *("app.py", "manage.py", "package.json", "Procfile", "app.toml", "index.html", "index.php", "app.psgi"),
        *(
            "requirements.txt",
            "pyproject.toml",
            "a.db",
            "cgi-bin/x",
            "x.cgi",
            "uv.lock",
            "shop/settings.py",
            "cpanfile",
        ),
    ]
)
contents = st.binary(max_size=60) | st.sampled_from(
    [FLASK, EXPRESS, SQLITE, b"#!/bin/sh\n", b"web: x", MANAGE.encode()]
)


@given(st.dictionaries(names, contents, max_size=6))
def test_any_folder_gives_a_plan_or_an_error_of_the_house(content):
    try:
        _, match, made = plan(Tree(content), HERE)
    except (InvalidError, UnsupportedError):
        return
    assert match.why
    assert made.target == "static" or made.processes["web"].argv
    for step in made.steps:
        assert all("\0" not in part for part in step.argv)
