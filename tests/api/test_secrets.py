"""What is sealed comes out of no entrance in plain: not by descriptors, their past, or the stream of changes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from serai.errors import InvalidError
from serai.identity.descriptors import Tenant
from serai.identity.seal import create_key, is_sealed, open_keyring
from serai.services.apps.descriptors import App
from serai.services.apps.variables import Variables

PATH = "/v1/variables/mine/shop"


async def get(api: Any, path: str) -> bytes:
    return bytes(await api.raw(f"GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n".encode()))


async def everything(api: Any) -> bytes:
    ways = (PATH, f"{PATH}/history", f"{PATH}/diff?old=1&new=2", "/v1/variables?tenant=mine", "/v1/apps/mine/shop/env")
    return b"".join([await get(api, way) for way in (*ways, "/v1/changes?tenant=mine&end=true", "/v1/apps/mine/shop")])


async def test_values_that_are_put_as_descriptors_are_sealed(api: Any) -> None:
    await api.store.put("user:x", "test", "mine", "mine", Tenant(uid=1))
    await api.store.put("user:x", "test", "mine", "shop", App())
    await api.call("PUT", PATH, {"values": {"KEY": "s3cret"}})
    await api.call("PATCH", PATH, {"values": {"KEY": "n3wer", "B": "b"}})
    stored = (await api.store.get(Variables, "mine", "shop")).spec
    assert all(is_sealed(value) for value in stored.values.values())
    assert stored.opened(api.desk.keyring, "mine", "shop") == {"KEY": "n3wer", "B": "b"}
    told = await everything(api)
    assert b"s3cret" not in told
    assert b"n3wer" not in told


async def test_what_was_read_can_be_written_back(api: Any) -> None:
    await api.store.put("user:x", "test", "mine", "mine", Tenant(uid=1))
    await api.store.put("user:x", "test", "mine", "shop", App())
    await api.call("PUT", PATH, {"values": {"KEY": "s3cret", "B": "b"}, "shown": ["B"]})
    read = await api.call("GET", PATH)
    await api.call("PUT", PATH, read["spec"])
    assert (await api.call("GET", PATH))["spec"] == read["spec"]


async def test_nobody_gets_a_value_shown_by_saying_that_it_is_none_to_hide(api: Any) -> None:
    await api.store.put("user:x", "test", "mine", "mine", Tenant(uid=1))
    await api.store.put("user:x", "test", "mine", "shop", App())
    await api.call("PUT", PATH, {"values": {"KEY": "s3cret"}})
    sealed = (await api.call("GET", PATH))["spec"]["values"]["KEY"]
    with pytest.raises(InvalidError):
        await api.call("PATCH", PATH, {"shown": ["KEY"]})
    for path in (PATH, "/v1/variables/mine/blog"):
        with pytest.raises(InvalidError) as caught:
            await api.call("PUT", path, {"values": {"KEY": sealed}, "shown": ["KEY"]})
        assert "s3cret" not in json.dumps([str(caught.value), caught.value.fields])
    assert (await api.call("GET", "/v1/apps/mine/shop/env")) == {"KEY": None}


async def test_a_restored_version_is_sealed_also_where_it_was_not(api: Any) -> None:
    await api.store.put("user:x", "test", "mine", "mine", Tenant(uid=1))
    await api.store.put("user:x", "test", "mine", "shop", App())
    await api.store.put("user:old", "test", "mine", "shop", Variables(values={"KEY": "s3cret"}))
    await api.call("PUT", PATH, {"values": {"KEY": "n3wer"}})
    await api.call("POST", f"{PATH}/restore", query={"version": 1})
    stored = (await api.store.get(Variables, "mine", "shop")).spec
    assert is_sealed(stored.values["KEY"])
    assert stored.opened(api.desk.keyring, "mine", "shop") == {"KEY": "s3cret"}
    await api.call("POST", f"{PATH}/restore", query={"version": 2})
    assert b"s3cret" not in await everything(api), "not even what lies plain in the history"


async def test_a_new_key_seals_variables_anew_too(api: Any, tmp_path: Path) -> None:
    path = tmp_path / "secrets.key"
    create_key(path)
    api.desk.keyring.path = path
    api.desk.keyring.renew()
    await api.store.put("user:x", "test", "mine", "mine", Tenant(uid=1))
    await api.store.put("user:x", "test", "mine", "shop", App())
    await api.call("PUT", PATH, {"values": {"KEY": "s3cret"}})
    before = (await api.store.get(Variables, "mine", "shop")).spec.values["KEY"]
    assert (await api.call("POST", "/v1/keys/rotate"))["sealed"] == 1
    spec = (await api.store.get(Variables, "mine", "shop")).spec
    assert spec.values["KEY"] != before
    path.write_text(path.read_text().splitlines()[0])
    assert spec.opened(open_keyring(path), "mine", "shop") == {"KEY": "s3cret"}
