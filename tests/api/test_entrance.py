"""What every request meets: who is let in, limits, problem details, request IDs, OpenAPI."""

from __future__ import annotations

import asyncio
import json
import os
import socket
from typing import Any

import pytest

from serai.bus.peer import Peer, peer_of
from serai.errors import (
    AlreadyExistsError,
    DeniedError,
    ExhaustedError,
    InvalidError,
    NotFoundError,
    SeraiError,
    UnavailableError,
)
from serai.identity.descriptors import Tenant
from serai.identity.local import LOCAL_OPERATOR, local_principal

NAMES = [
    "$(reboot)",
    "`id`",
    "a;b",
    "a|b",
    "a b",
    "a\nb",
    "a\r\nx-evil: 1",
    "a\x00b",
    "..",
    "../../etc/passwd",
    "/etc/passwd",
    "demo/../other",
    "%2e%2e",
    "%00",
    "😀",
    "é",
    "A",
    "-",
    "a" * 300,
]


def answer(data: bytes) -> tuple[int, dict[str, str], Any]:
    head, _, body = data.partition(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
    return int(lines[0].split()[1]), headers, json.loads(body) if "json" in headers.get("content-type", "") else body


def test_root_and_the_owner_are_the_operator_and_nobody_else() -> None:
    assert local_principal(Peer(os.getpid(), 0, 0), 1234) is LOCAL_OPERATOR
    assert local_principal(Peer(os.getpid(), os.geteuid(), 0), os.geteuid()) is LOCAL_OPERATOR
    assert local_principal(Peer(os.getpid(), 4242, 4242), 1234) is None
    assert LOCAL_OPERATOR.who == "user:root"


def test_the_kernel_says_who_is_at_the_other_end() -> None:
    one, other = socket.socketpair()
    with one, other:
        assert peer_of(one) == Peer(os.getpid(), os.geteuid(), os.getegid())


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become somebody else")
async def test_another_user_is_denied_everything(api: Any) -> None:
    api.path.chmod(0o777)
    for folder in (api.path.parent, *api.path.parent.parents):
        if folder != folder.parent and folder.stat().st_uid == 0 and str(folder).startswith("/tmp/pytest"):
            folder.chmod(0o755)
    program = (
        "import os,socket,sys; os.setgid(4242); os.setuid(4242); s=socket.socket(socket.AF_UNIX);"
        "s.connect(sys.argv[1]); s.sendall(sys.argv[2].encode()+b' HTTP/1.1\\r\\nhost: x\\r\\nconnection: close\\r\\n"
        "content-length: 0\\r\\n\\r\\n'); print(s.makefile('rb').read().decode())"
    )
    for request in ("GET /v1/me", "GET /v1/tenant", "PUT /v1/tenant/a/a", "GET /v1/changes", "PUT /v1/blobs"):
        process = await asyncio.create_subprocess_exec(
            "/usr/bin/python3", "-I", "-S", "-c", program, str(api.path), request, stdout=asyncio.subprocess.PIPE
        )
        out, _ = await process.communicate()
        assert out.startswith(b"HTTP/1.1 401 "), out
    assert await api.store.last_change() == 0


async def test_an_error_is_a_problem_detail_with_the_request_id(api: Any) -> None:
    request = b"GET /v1/tenant/no/no HTTP/1.1\r\nhost: x\r\nx-request-id: abc-1\r\nconnection: close\r\n\r\n"
    status, headers, body = answer(await api.raw(request))
    assert (status, headers["content-type"], headers["x-request-id"]) == (404, "application/problem+json", "abc-1")
    assert body["code"] == "not_found"
    assert body["type"] == "urn:serai:problem:not_found"
    assert (body["status"], body["instance"]) == (404, "abc-1")


@pytest.mark.parametrize(
    ("line", "status", "code"),
    [
        (b"GET /nothing", 404, "not_found"),
        (b"POST /v1/me", 405, "invalid"),
        (b"GET /v1/tenant?limit=0", 400, "invalid"),
        (b"GET /v1/tenant?limit=many", 400, "invalid"),
        (b"GET /v1/tenant?after=nothing", 400, "invalid"),
        (b"GET /v1/tenant/a/%ff", 400, "invalid"),
        (b"GET /v1/changes?after=-1", 400, "invalid"),
        (b"GET /v1/changes?after=99999999999999999999999", 400, "invalid"),
        (b"GET /v1/tasks/nothing", 404, "not_found"),
        (b"GET /v1/tasks?state=asleep", 400, "invalid"),
    ],
)
async def test_what_makes_no_sense_is_a_clear_refusal(api: Any, line: bytes, status: int, code: str) -> None:
    told, _, body = answer(await api.raw(line + b" HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"))
    assert (told, body["code"]) == (status, code)


@pytest.mark.parametrize("name", NAMES)
async def test_a_name_that_is_none_is_refused_everywhere_and_leaves_nothing(api: Any, name: str) -> None:
    client = api.client
    for call in (
        lambda: client.put("tenant", name, name, {"uid": 1}),
        lambda: client.put("app", "demo", name, {}),
        lambda: client.call("POST", "/v1/tenants", {"name": name}),
        lambda: client.get("tenant", name, name),
        lambda: client.call("GET", f"/v1/apps/demo/{client_segment(name)}"),
        lambda: client.call("POST", f"/v1/apps/demo/{client_segment(name)}/deploy", {"blob": "0" * 64}),
        lambda: client.call("PUT", f"/v1/apps/demo/hello/domains/{client_segment(name)}", {}),
        lambda: client.call("GET", f"/v1/tasks/{client_segment(name)}"),
    ):
        with pytest.raises((InvalidError, NotFoundError)) as caught:
            await api.run(call)
        assert type(caught.value) in {InvalidError, NotFoundError}
    assert await api.store.last_change() == 0


def client_segment(text: str) -> str:
    from serai.api.client import segment

    return segment(text)


@pytest.mark.parametrize("value", ["$(reboot)", "'; drop table", "a\x00b", "😀" * 10, "../..", "\u202e"])
async def test_a_text_that_looks_dangerous_is_only_text(api: Any, value: str) -> None:
    spec = {"uid": 1, "title": value}
    assert (await api.call("PUT", "/v1/tenant/demo/demo", spec))["spec"]["title"] == value
    assert (await api.call("GET", "/v1/tenant/demo/demo"))["spec"]["title"] == value


async def test_too_large_and_too_deep_bodies_are_refused(api: Any) -> None:
    with pytest.raises((InvalidError, ExhaustedError)):
        await api.call("PUT", "/v1/tenant/demo/demo", {"uid": 1, "title": "x" * (1 << 20)})
    with pytest.raises(SeraiError) as caught:
        await api.call("POST", "/v1/tenants", {"name": "x" * (11 << 20)})
    assert caught.value.code in {"exhausted", "unavailable"}
    for path in ("PUT /v1/tenant/demo/demo", "POST /v1/tenants", "PATCH /v1/apps/demo/hello/env"):
        deep = b'{"uid":' + b"[" * 100_000 + b"]" * 100_000 + b"}"
        head = f"{path} HTTP/1.1\r\nhost: x\r\ncontent-length: {len(deep)}\r\nconnection: close\r\n\r\n".encode()
        status, _, body = answer(await api.raw(head + deep))
        assert (status, body["code"]) == (400, "invalid"), path
    assert await api.store.last_change() == 0


@pytest.mark.parametrize(
    "data",
    [
        b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\nhost: x\r\n\r\n",
        b"GET /v1/me HTTP/1.1\r\nhost: x\r\n" + b"x-long: " + b"a" * 70_000 + b"\r\n\r\n",
        b"GET /v1/me HTTP/1.1\r\nhost: x\r\n" + b"a: b\r\n" * 8_000 + b"\r\n",
        b"\x16\x03\x01 what is this\r\n\r\n",
    ],
)
async def test_an_absurd_head_is_refused(api: Any, data: bytes) -> None:
    assert (await api.raw(data)).startswith(b"HTTP/1.1 400 ")


async def test_an_upload_is_stored_under_its_hash_and_has_a_limit(serve: Any) -> None:
    async with serve(max_upload=1 << 20) as api:
        blob = await api.run(api.client.upload, "demo", iter([b"a" * 300_000, b"", b"b" * 300_000]))
        assert (api.ctx.home / "data/blobs" / blob[:2] / blob).read_bytes() == b"a" * 300_000 + b"b" * 300_000
        with pytest.raises((ExhaustedError, UnavailableError)):
            await api.run(api.client.upload, "demo", (b"c" * 65_536 for _ in range(64)))
        files = [path for path in (api.ctx.home / "data/blobs").rglob("*") if path.is_file()]
        assert [path.name for path in files] == [blob]


async def test_a_client_without_a_platform_says_so(tmp_path: Any) -> None:
    from serai.api.client import Client

    with pytest.raises(UnavailableError, match="serai up"):
        Client(tmp_path / "api.sock").call("GET", "/v1/me")
    with pytest.raises(UnavailableError):
        Client(tmp_path / ("x" * 200)).call("GET", "/v1/me")


async def test_a_tenants_number_is_never_given_out_twice(api: Any) -> None:
    one = await api.call("POST", "/v1/tenants", {"name": "one"})
    await api.call("DELETE", "/v1/tenant/one/one", query={"confirm": "one"})
    made = await asyncio.gather(*(api.call("POST", "/v1/tenants", {"name": f"t{n}"}) for n in range(6)))
    assert sorted(tenant["uid"] for tenant in [one, *made]) == [1, 2, 3, 4, 5, 6, 7]


async def test_no_two_tenants_have_one_number(api: Any) -> None:
    await api.call("POST", "/v1/tenants", {"name": "one"})
    await api.call("PUT", "/v1/tenant/two/two", {"uid": 2})
    for uid, error in ((1, AlreadyExistsError), (2, AlreadyExistsError), (-1000, InvalidError), (64_001, InvalidError)):
        with pytest.raises(error):
            await api.call("PUT", "/v1/tenant/three/three", {"uid": uid})
    assert (await api.call("POST", "/v1/tenants", {"name": "four"}))["uid"] == 3
    await api.call("PUT", "/v1/tenant/five/five", {"uid": 7})
    await api.call("DELETE", "/v1/tenant/five/five", query={"confirm": "five"})
    with pytest.raises(AlreadyExistsError):
        await api.call("PUT", "/v1/tenant/six/six", {"uid": 7})
    assert (await api.call("POST", "/v1/tenants", {"name": "seven"}))["uid"] == 8


async def test_the_number_of_a_tenant_stays_whoever_writes_it(api: Any) -> None:
    await api.call("POST", "/v1/tenants", {"name": "one"})
    await api.store.put("user:x", "as it was once", "one", "one", Tenant(uid=9))
    await api.store.put("user:x", "as it is", "one", "one", Tenant(uid=1))
    writes: tuple[tuple[str, str, Any], ...] = (
        ("PUT", "/v1/tenant/one/one", {"uid": 2}),
        ("PATCH", "/v1/tenant/one/one", {"uid": 2}),
        ("POST", "/v1/tenant/one/one/restore?version=2", None),
        ("POST", "/v1/apply?tenant=one", {"items": [{"kind": "tenant", "name": "one", "spec": {"uid": 2}}]}),
    )
    for method, path, body in writes:
        with pytest.raises(InvalidError) as refused:
            await api.call(method, path, body)
        assert "uid" in refused.value.fields["path"], (method, path)
    assert (await api.call("PUT", "/v1/tenant/one/one", {"uid": 1, "title": "One"}))["spec"]["uid"] == 1


async def test_nothing_is_put_into_a_tenant_that_is_not_there(api: Any) -> None:
    for path, body in (("role/nowhere/deployer", {"actions": ["app.read"]}), ("app/nowhere/shop", {})):
        with pytest.raises(NotFoundError):
            await api.call("PUT", f"/v1/{path}", body)
    assert await api.store.last_change() == 0


async def test_nobody_is_denied_with_a_line_in_the_audit(serve: Any) -> None:
    if os.geteuid() == 0:
        pytest.skip("root is always known")
    async with serve(owner=4242) as api:
        with pytest.raises(DeniedError):
            await api.call("GET", "/v1/me")
