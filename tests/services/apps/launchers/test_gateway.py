"""The gateway, asked over loopback: programs in sh, Perl and PHP, and the files beside them."""

import http.client
import json
import shutil
import socket
import threading
import time

import pytest

SH = "#!/bin/sh\n"
PYTHON = "#!/usr/bin/python3 -IS\nimport os, sys, json, time\n"


@pytest.fixture
def cgi(site, gateway):
    def go(text, *options, name="cgi-bin/x", **env):
        site(name, text)
        return gateway(site.root, "--cgi-bin", site.root / "cgi-bin", "--programs", ".cgi,.pl", *options, **env)

    return go


def said(status=200, **values):
    return {"status": status, **values}


ECHO = PYTHON + (
    "body = sys.stdin.buffer.read()\nprint('Content-Type: application/json\\n')\n"
    "print(json.dumps({**os.environ, 'body': body.decode('latin-1')}))\n"
)


def test_a_program_is_told_what_rfc_3875_says(cgi):
    one = cgi(ECHO)
    status, headers, body = one.ask(
        "POST",
        "/cgi-bin/x/a%20b/c?q=1&r=%2F",
        b"hello",
        {
            "Host": "demo.localhost:8443",
            "Content-Type": "text/plain",
            "Cookie": "a=b",
            "X-Forwarded-Prefix": "/hello/1",
            "X-Forwarded-Proto": "https",
            "X-Forwarded-For": "6.6.6.6, 203.0.113.7",
            "Proxy": "http://evil",
            "X_Under": "dropped",
        },
    )
    env = json.loads(body)
    assert (status, headers["content-type"]) == (200, "application/json")
    expected = {
        "GATEWAY_INTERFACE": "CGI/1.1",
        "REQUEST_METHOD": "POST",
        "SCRIPT_NAME": "/hello/1/cgi-bin/x",
        "PATH_INFO": "/a b/c",
        "QUERY_STRING": "q=1&r=%2F",
        "REQUEST_URI": "/hello/1/cgi-bin/x/a%20b/c?q=1&r=%2F",
        "SERVER_NAME": "demo.localhost",
        "SERVER_PORT": "443",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "HTTPS": "on",
        "REMOTE_ADDR": "203.0.113.7",
        "CONTENT_LENGTH": "5",
        "CONTENT_TYPE": "text/plain",
        "HTTP_COOKIE": "a=b",
        "body": "hello",
    }
    assert {key: env.get(key) for key in expected} == expected
    assert not {"HTTP_PROXY", "HTTP_X_UNDER"} & set(env)


def test_a_chunked_body_gets_a_length(cgi):
    one = cgi(ECHO)
    _, _, body = one.ask("POST", "/cgi-bin/x", iter([b"a" * 70000, b"b" * 70000]), encode_chunked=True)
    env = json.loads(body)
    assert env["CONTENT_LENGTH"] == "140000"
    assert env["body"] == "a" * 70000 + "b" * 70000


def test_a_large_body_passes_a_program_that_answers_while_it_reads(cgi):
    one = cgi(SH + "printf 'Content-Type: application/octet-stream\\n\\n'; exec cat")
    data = bytes(range(256)) * (4 << 12)
    status, _, body = one.ask("POST", "/cgi-bin/x", data)
    assert status == 200
    assert body == data


def test_a_program_that_reads_nothing_answers_all_the_same(cgi):
    one = cgi(SH + "printf 'Status: 403 Go away\\nContent-Type: text/plain\\n\\nno'")
    answer = one.raw(b"POST /cgi-bin/x HTTP/1.1\r\nHost: a\r\nContent-Length: 9999999\r\n\r\n" + b"x" * 1000, end=False)
    assert answer.startswith(b"HTTP/1.1 403 Go away\r\n")
    assert b"Connection: close" in answer


def test_an_answer_streams_piece_by_piece(cgi):
    one = cgi(PYTHON + "print('Content-Type: text/plain\\n\\nfirst', flush=True)\nsys.stdin.read()\nprint('second')")
    with socket.create_connection(("127.0.0.1", one.port), 10) as connection:
        connection.sendall(b"POST /cgi-bin/x HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n")
        answer = b""
        while b"first" not in answer:
            answer += connection.recv(4096)
        connection.sendall(b"abc")  # only now does the program go on
        while not answer.endswith(b"0\r\n\r\n"):
            answer += connection.recv(4096)
    assert b"second" in answer


def test_head_has_no_body_and_the_connection_stays(cgi):
    one = cgi(SH + "printf 'Content-Type: text/plain\\nContent-Length: 5\\n\\nhello'")
    connection = http.client.HTTPConnection("127.0.0.1", one.port, timeout=10)
    for method, body in (("HEAD", b""), ("GET", b"hello"), ("OPTIONS", b"hello"), ("PROPFIND", b"hello")):
        connection.request(method, "/cgi-bin/x")
        answer = connection.getresponse()
        assert (answer.status, answer.headers["content-length"], answer.read()) == (200, "5", body)
    connection.close()


@pytest.mark.parametrize(
    ("head", "status", "location"),
    [
        ("Location: https://example.test/", 302, "https://example.test/"),
        ("Status: 301 Moved\\nLocation: /x", 301, "/x"),
        ("Status: 404 Nope\\nContent-Type: a/b", 404, None),
        ("HTTP/1.1 201 Made\\nContent-Type: a/b", 201, None),
        ("Status: 204 No Content\\nX: y", 204, None),
        ("Content-Type: text/plain\\r\\nX: y\\r", 200, None),
        # What no header should look like is nobody's answer.
        ("no header", 502, None),
        ("Status: 99 Low\\nX: y", 502, None),
        ("Status: 100 Continue", 502, None),
        ("Bad Name: x", 502, None),
        ("X: a\\001b", 502, None),
        ("X: a\\rSet-Cookie: b", 502, None),
        ("Content-Length: 5, 6", 502, None),
        ("Content-Length: -1", 502, None),
        ("", 502, None),
    ],
)
def test_heads_of_programs(cgi, head, status, location):
    one = cgi(SH + f"printf '{head}\\n\\n'")
    got, headers, _ = one.get("/cgi-bin/x")
    assert (got, headers["location"]) == (status, location)
    assert "set-cookie" not in headers


def test_a_program_cannot_write_the_connections_own_fields(cgi):
    one = cgi(SH + "printf 'Transfer-Encoding: gzip\\nConnection: upgrade\\nUpgrade: x\\nX: y\\n\\nok'")
    status, headers, body = one.get("/cgi-bin/x")
    assert (status, headers.get_all("transfer-encoding"), headers["upgrade"], body) == (200, ["chunked"], None, b"ok")


def test_a_local_redirect_is_answered_at_once_and_a_loop_ends(cgi, site):
    site("page.html", "the page", 0o644)
    one = cgi(SH + 'printf "Location: ${QUERY_STRING}\\n\\n"')
    assert one.get("/cgi-bin/x?/page.html")[::2] == (200, b"the page")
    site("cgi-bin/loop", SH + "printf 'Location: /cgi-bin/loop\\n\\n'")
    assert one.get("/cgi-bin/loop")[0] == 508


@pytest.mark.parametrize(
    ("text", "status"),
    [
        (SH + "exit 3", 502),
        (SH + "kill -9 $$", 502),
        ("#!/no/such/interpreter\n", 500),
        (SH + "yes X: y", 502),
    ],
)
def test_a_program_that_fails_is_an_error_of_its_own(cgi, text, status):
    one = cgi(text)
    assert one.get("/cgi-bin/x")[0] == status
    assert one.get("/nothing")[0] == 404


def test_too_short_an_answer_ends_the_connection(cgi):
    one = cgi(SH + "printf 'Content-Length: 10\\n\\nshort'")
    with pytest.raises(http.client.IncompleteRead):
        one.get("/cgi-bin/x")


def test_too_long_an_answer_is_cut_at_its_length(cgi):
    one = cgi(SH + "printf 'Content-Length: 2\\n\\nlonger\\r\\n\\r\\nHTTP/1.1 200 OK'")
    assert one.raw(b"GET /cgi-bin/x HTTP/1.1\r\nHost: a\r\n\r\n").endswith(b"\r\n\r\nlo")


def test_what_a_program_leaves_behind_ends_with_it(cgi, tmp_path):
    marker = tmp_path / "alive"
    one = cgi(SH + f"(while :; do date > {marker}; sleep 0.05; done) & printf 'X: y\\n\\n'; exec cat /dev/zero")
    with socket.create_connection(("127.0.0.1", one.port), 10) as connection:
        connection.sendall(b"GET /cgi-bin/x HTTP/1.1\r\nHost: a\r\n\r\n")
        connection.recv(1000)
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        marker.unlink(missing_ok=True)
        time.sleep(0.3)
        if not marker.exists():
            return
    pytest.fail("it goes on")


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET /../secret HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"GET /%2e%2e/secret HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"GET /a/..%2f..%2fsecret HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"GET /cgi-bin/../../secret HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"GET /%00 HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"GET /%0d%0aX:%20y HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"GET /%ff HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"GET http://evil/ HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"GET /.env HTTP/1.1\r\nHost: a\r\n\r\n", 404),
        (b"GET /sub/.git/config HTTP/1.1\r\nHost: a\r\n\r\n", 404),
        (b"GET /app.toml HTTP/1.1\r\nHost: a\r\n\r\n", 404),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", 400),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\na", 400),
        (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501),
        (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nffffffff\r\n", 413),
        (b"G@T\x01 / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nno colon\r\n\r\n", 400),
        (b"GET /" + b"a" * 70000 + b" HTTP/1.1\r\n\r\n", 414),
        (b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 200 + b"\r\n", 431),
    ],
)
def test_requests_that_are_refused(cgi, site, request_, status):
    (site.root.parent / "secret").write_text("s3cret")
    site(".env", "KEY=s3cret")
    site("app.toml", "s3cret")
    site("index.html", "hello")
    one = cgi(SH)
    answer = one.raw(request_)
    assert answer.split(b" ", 2)[1] == str(status).encode()
    assert b"s3cret" not in answer
    assert answer.count(b"HTTP/1.1 ") == 1


def test_files_beside_the_programs_are_sent(cgi, site):
    site("index.html", "<p>hello", 0o644)
    site("sub/index.html", "sub", 0o644)
    site("größe.txt", "ß", 0o644)
    site("data.tar.gz", "x", 0o644)
    site("tool.pl", "not a program", 0o644)
    one = cgi(SH)
    status, headers, body = one.get("/")
    assert (status, headers["content-type"], body) == (200, "text/html; charset=utf-8", b"<p>hello")
    assert one.get("/", If_Modified_Since=headers["last-modified"])[0] == 304
    assert one.get("/", If_Modified_Since="nonsense")[0] == 200
    assert one.get("/gr%C3%B6%C3%9Fe.txt")[::2] == (200, "ß".encode())
    assert one.get("/data.tar.gz")[1]["content-type"] == "application/octet-stream"
    status, headers, _ = one.get("/sub?a=b", X_Forwarded_Prefix="/hello/1")
    assert (status, headers["location"]) == (301, "/hello/1/sub/?a=b")
    assert one.get("//sub")[1]["location"] == "/sub/"
    assert one.ask("POST", "/index.html", b"x")[0] == 405
    assert one.get("/index.html/more")[0] == 404
    assert one.get("/tool.pl")[0] == 404
    assert one.get("/cgi-bin/")[0] == 404


def test_a_source_in_cgi_bin_is_never_sent_and_a_lost_mode_does_no_harm(cgi, site):
    site("cgi-bin/notes.txt", "s3cret", 0o644)
    site("cgi-bin/script", SH + "printf 'X: y\\n\\nran'", 0o644)
    one = cgi(SH)
    assert one.get("/cgi-bin/notes.txt")[0] == 403
    assert one.get("/cgi-bin/script")[::2] == (200, b"ran")


def test_more_requests_than_places_wait_for_one(cgi):
    one = cgi(PYTHON + "time.sleep(0.05)\nprint('X: y\\n\\nok')")
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(one.get("/cgi-bin/x")[2])) for _ in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [b"ok\n"] * 40


@pytest.mark.skipif(shutil.which("php-cgi") is None, reason="php-cgi is not installed")
def test_php_runs_with_its_path_and_its_front_controller(site, gateway):
    site(
        "index.php",
        "<?php echo $_SERVER['REQUEST_URI'], ' ', $_SERVER['PATH_INFO'] ?? '-', ' ', $_GET['a'] ?? '-';",
        0o644,
    )
    site("upload.php", "<?php echo md5(file_get_contents('php://input'));", 0o644)
    site("image.jpg", "<?php echo 's3cret';", 0o644)
    one = gateway(site.root, "--php", shutil.which("php-cgi"), "--front", "index.php")
    assert one.get("/?a=1")[2] == b"/?a=1 - 1"
    assert one.get("/index.php/x/y?a=2")[2] == b"/index.php/x/y?a=2 /x/y 2"
    assert one.get("/any/where?a=3", X_Forwarded_Prefix="/p")[2] == b"/p/any/where?a=3 - 3"
    assert one.ask("POST", "/upload.php", b"abc")[2] == b"900150983cd24fb0d6963f7d28e17f72"
    # The name after a file does not make it a program (cgi.fix_pathinfo).
    assert one.get("/image.jpg/x.php")[2] == b"/image.jpg/x.php - -"
    assert one.get("/?-s")[2].startswith(b"/?-s")


def test_a_stopped_gateway_lets_a_request_finish(cgi):
    one = cgi(PYTHON + "print('X: y\\n\\nbegin', flush=True)\ntime.sleep(0.5)\nprint('end')")
    with socket.create_connection(("127.0.0.1", one.port), 10) as connection:
        connection.sendall(b"GET /cgi-bin/x HTTP/1.0\r\nHost: a\r\n\r\n")
        answer = b""
        while b"begin" not in answer:
            answer += connection.recv(1000)
        one.process.terminate()
        while piece := connection.recv(1000):
            answer += piece
    assert answer.endswith(b"end\n")
    assert one.process.wait(10) == 0
