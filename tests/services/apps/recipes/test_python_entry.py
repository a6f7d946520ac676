import pytest
from hypothesis import given
from hypothesis import strategies as st

from serai.services.apps.recipes.folder import Tree
from serai.services.apps.recipes.python_entry import Entry, find_entry


def entry(**files):
    return find_entry(Tree({name.replace("__", "/") + ".py": text.encode() for name, text in files.items()}))


@pytest.mark.parametrize(
    ("source", "target", "kind"),
    [
        ("from flask import Flask\napp = Flask(__name__)", "main:app", "wsgi"),
        ("import flask\napplication = flask.Flask(__name__)", "main:application", "wsgi"),
        ("import flask as f\nx: f.Flask = f.Flask(__name__)", "main:x", "wsgi"),
        ("from fastapi import FastAPI as A\napi = A()", "main:api", "asgi"),
        ("from starlette.applications import Starlette\nif True:\n  app = Starlette()", "main:app", "asgi"),
        ("def application(environ, start_response): pass", "main:application", "wsgi"),
        ("async def app(scope, receive, send): pass", "main:app", "asgi"),
        ("def app(env, start): pass", "main:app", "wsgi"),
        ("async def application(s, r, w): pass", "main:application", "asgi"),
        ("from flask import Flask\ndef create_app(config=None):\n  return Flask('x')", "main:create_app()", "wsgi"),
        ("def make_app():\n  from quart import Quart\n  return Quart('x')\napp = make_app()", "main:app", "asgi"),
        ("config = object()\napp = config.make_wsgi_app()", "main:app", "wsgi"),
        ("from bottle import default_app\napp = default_app()", "main:app", "wsgi"),
        ("try:\n  from flask import Flask\nexcept ImportError: pass\napp = Flask('x')", "main:app", "wsgi"),
    ],
)
def test_the_object_is_found(source, target, kind):
    assert entry(main=source) == Entry(target, kind)


@pytest.mark.parametrize(
    "source",
    [
        "print('hello')",
        "from flask import Flask\ndef create_app(config): return Flask('x')",
        "if __name__ == '__main__':\n  from flask import Flask\n  app = Flask('x')",
        "app = unknown()",
        "def add(a, b): pass",
        "def app(a, b, c): pass",
        "def f(",
        "x = " + "(" * 5000,
        "x = " + "-" * 90000 + "1",
        "\0",
    ],
)
def test_what_is_no_object_is_not_taken(source):
    assert entry(main=source) is None


def test_a_wsgi_file_is_preferred_then_the_usual_names():
    flask = "from flask import Flask\napp = Flask('x')"
    assert entry(zebra=flask, app=flask, shop__wsgi=flask).target == "shop.wsgi:app"
    assert entry(zebra=flask, app=flask).target == "app:app"
    assert find_entry(Tree({"shop/__init__.py": flask.encode(), "tests/app.py": flask.encode()})).target == "shop:app"
    assert entry(src__shop__app=flask) == Entry("shop.app:app", "wsgi", "src")


@given(st.text(max_size=200))
def test_any_source_is_read_without_an_error(text):
    files = {"app.py": text.encode("utf-8", "surrogatepass")}
    assert find_entry(Tree(files)) is None or text
