"""Each example, built by its plan and asked as a person would."""

import asyncio
import re

import pytest
import websockets

pytestmark = pytest.mark.xdist_group("packages")  # one process downloads what they share

PREFIX = {"x-forwarded-prefix": "/hello/1", "x-forwarded-proto": "https", "host": "demo.localhost"}


@pytest.fixture
def example(request, deploy):
    return deploy(request.param)


def using(name):
    return pytest.mark.parametrize("example", [name], indirect=True)


@using("flask")
def test_flask_keeps_a_guest_book_below_any_prefix(example):
    client = example.client
    signed = client.post("/entries", data={"who": "Ada", "what": "Hello <b>"}, headers=PREFIX)
    assert (signed.status_code, signed.headers["location"]) == (302, "/hello/1/")
    page = client.get("/", headers=PREFIX)
    assert "Hello &lt;b&gt;" in page.text
    assert 'href="/hello/1/static/style.css"' in page.text
    assert 'href="/static/style.css"' in client.get("/").text
    assert client.get("/static/style.css").headers["content-type"].startswith("text/css")
    assert client.post("/entries", data={"who": ""}).status_code == 400
    assert (example.data / "guests.db").exists()


@using("django")
def test_django_serves_its_admin_and_static_files_as_startproject_left_it(example):
    client = example.client
    page = client.get("/", headers=PREFIX)
    assert page.status_code == 200, page.text
    assert 'href="/hello/1/static/books/shelf.css"' in page.text
    assert 'href="/hello/1/admin/"' in page.text
    assert 'href="/static/books/shelf.css"' in client.get("/", headers={"host": "localhost"}).text
    for headers in (PREFIX, {"host": "localhost"}):
        style = client.get("/static/admin/css/base.css", headers=headers)
        assert (style.status_code, style.headers["content-type"]) == (200, "text/css")
    login = client.get("/admin/login/", headers=PREFIX)
    assert "/hello/1/static/admin/css/base.css" in login.text
    assert client.get("/admin/", headers=PREFIX).headers["location"] == "/hello/1/admin/login/?next=/hello/1/admin/"
    token = re.search(r'csrfmiddlewaretoken" value="(\w+)"', login.text)[1]
    answer = client.post(
        "/admin/login/",
        headers={**PREFIX, "origin": "https://demo.localhost", "cookie": f"csrftoken={login.cookies['csrftoken']}"},
        data={"csrfmiddlewaretoken": token, "username": "nobody", "password": "wrong"},
    )
    assert answer.status_code == 200
    assert "Please enter the correct username" in answer.text
    assert (example.data / "db.sqlite3").stat().st_size > 0


@using("datasette")
def test_datasette_links_below_the_prefix_of_each_request(example):
    client = example.client
    for prefix in ("/hello/1", "/hello", ""):
        page = client.get("/mountains/mountain", headers={"x-forwarded-prefix": prefix} if prefix else {})
        assert page.status_code == 200
        links = set(re.findall(r'(?:href|src)="(/[^"]*)"', page.text))
        assert links
        assert [link for link in links if not link.startswith(f"{prefix}/")] == []
        assert any(re.match(rf"{prefix}/mountains(/|\Z)", link) for link in links)
        assert client.get("/-/static/app.css", headers={"x-forwarded-prefix": prefix}).status_code == 200
    rows = client.get("/mountains/mountain.json?_shape=array&metres__gt=8600").json()
    assert {row["name"] for row in rows} == {"Mount Everest", "K2"}


@using("express")
def test_express_shortens_links(example):
    made = example.client.post("/links", data={"url": "https://example.test/a?b=c"}, headers=PREFIX)
    assert made.status_code == 201
    assert made.text.startswith("https://demo.localhost/hello/1/")
    answer = example.client.get(made.text.strip().removeprefix("https://demo.localhost/hello/1"))
    assert (answer.status_code, answer.headers["location"]) == (302, "https://example.test/a?b=c")
    assert example.client.get("/").text.startswith("<!doctype html>")


@using("websocket")
async def test_a_websocket_echoes_text_and_octets_below_a_prefix(example):
    assert example.client.get("/").status_code == 200
    for headers in ({}, {"x-forwarded-prefix": "/hello/1"}):
        url = f"ws://127.0.0.1:{example.port}/echo"
        async with asyncio.timeout(10), websockets.connect(url, additional_headers=headers, proxy=None) as socket:
            await socket.send("grüße")
            assert await socket.recv() == "grüße"
            await socket.send(bytes(range(256)) * 256)
            assert await socket.recv() == bytes(range(256)) * 256


@using("php")
def test_php_counts_one_vote_a_session(example):
    client = example.client
    page = client.get("/", headers={"x-forwarded-prefix": "/poll"})
    assert "What do you drink?" in page.text
    assert "path=/poll;" in page.headers["set-cookie"]
    client.cookies.set("PHPSESSID", page.cookies["PHPSESSID"])
    voted = client.post("/", data={"choice": "tea"}, headers={"x-forwarded-prefix": "/poll"})
    assert (voted.status_code, voted.headers["location"]) == (303, "/poll/")
    client.post("/", data={"choice": "tea"})
    assert "tea</button> 1" in client.get("/").text
    assert (example.data / "votes.json").exists()


@using("perl-cgi")
def test_a_perl_script_reads_its_query_and_its_path(example):
    client = example.client
    assert "<td>29</td>" in client.get("/cgi-bin/calendar.pl?year=2000&month=2").text
    assert "<td>29</td>" not in client.get("/cgi-bin/calendar.pl/2001/2").text
    assert client.get("/cgi-bin/calendar.pl?month=13").status_code == 400
    assert "This month" in client.get("/").text


@using("cgi-shell")
def test_a_shell_script_gets_the_body(example):
    answer = example.client.post("/cgi-bin/status.sh", content=b"hello there")
    assert answer.text.endswith("You sent:\nhello there")
    assert "cgi-bin/status.sh" in example.client.get("/").text


@using("psgi")
def test_psgi_learns_its_prefix(example):
    client = example.client
    assert len(client.get("/3d20").text.split()) == 3
    assert client.get("/", headers=PREFIX).headers["location"] == "https://demo.localhost/hello/1/2d6"
    assert client.get("/nothing").status_code == 404


@using("procfile")
def test_a_procfile_names_web_and_worker(example):
    made = example.client.post("/jobs", content=b"count these four words").json()
    assert example.client.get("/jobs").json() == [made]
    assert sorted(example.plan.processes) == ["web", "worker"]
    assert [item.name for item in example.plan.recurring] == ["sweep"]
