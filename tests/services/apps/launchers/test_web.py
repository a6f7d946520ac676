import pytest

from serai.services.apps.launchers.web import Asgi, Wsgi, load, prefix_of


@pytest.mark.parametrize(
    ("header", "prefix"),
    [
        *[("", ""), ("/", ""), ("/hello/", "/hello"), ("/hello/1", "/hello/1")],
        *[("//evil.test/", ""), ("hello", ""), ("http://evil", ""), ("/a\r\nX: y", "")],
    ],
)
def test_a_prefix_is_a_path_or_nothing(header, prefix):
    assert prefix_of(header) == prefix


def test_wsgi_is_told_what_the_edge_knows():
    seen = {}
    app = Wsgi(lambda environ, start_response: seen.update(environ) or [])
    app(
        {
            "HTTP_X_FORWARDED_PREFIX": "/p/",
            "HTTP_X_FORWARDED_PROTO": "https",
            "HTTP_X_FORWARDED_FOR": "1.1.1.1, 2.2.2.2",
        },
        None,
    )
    assert (seen["SCRIPT_NAME"], seen["wsgi.url_scheme"], seen["REMOTE_ADDR"]) == ("/p", "https", "2.2.2.2")
    seen.clear()
    app({"SCRIPT_NAME": "/forged", "HTTP_X_FORWARDED_PROTO": "gopher"}, None)
    assert seen["SCRIPT_NAME"] == ""
    assert "wsgi.url_scheme" not in seen


@pytest.mark.parametrize(("whole", "path"), [(True, "/p/a b"), (False, "/a b")])
async def test_asgi_gets_a_root_path(whole, path):
    seen = []

    async def app(scope, receive, send):
        seen.append(scope)

    scope = {"type": "websocket", "path": "/a b", "raw_path": b"/a%20b", "headers": [(b"x-forwarded-prefix", b"/p/")]}
    await Asgi(app, whole_path=whole)(scope, None, None)
    await Asgi(app)({"type": "lifespan"}, None, None)
    assert (seen[0]["root_path"], seen[0]["path"]) == ("/p", path)
    assert seen[0]["raw_path"] == (b"/p/a%20b" if whole else b"/a%20b")
    assert scope["path"] == "/a b"
    assert seen[1] == {"type": "lifespan"}


def test_an_object_or_what_a_factory_makes_is_loaded(tmp_path, monkeypatch):
    (tmp_path / "served_by_test.py").write_text("class a:\n  b = 5\ndef make(): return 6\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert load("served_by_test:a.b") == 5
    assert load("served_by_test:make()") == 6
