"""The description of the API: valid, complete, the same for each kind, and with examples that are taken."""

from __future__ import annotations

import json
from typing import Any

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from serai.api import openapi
from serai.api.guard import table
from serai.api.kinds import convert
from serai.api.openapi_schemas import ecma
from serai.api.sentences import Sentences
from serai.identity.descriptors import Tenant


@pytest.fixture
async def told(api: Any) -> Any:
    return json.loads(json.dumps(openapi.document(api.app, api.app.state["kinds"])))


async def test_the_description_is_valid_openapi(told: Any) -> None:
    assert told["openapi"].startswith("3.1")
    assert [str(error) for error in OpenAPIV31SpecValidator(told).iter_errors()] == []


async def test_every_route_is_described_and_those_of_descriptors_once_for_each_kind(api: Any, told: Any) -> None:
    wanted = set()
    for method, path, _ in table(api.app):
        kinds = [kind.KIND for kind in api.app.state["kinds"]] if "{kind}" in path else [""]
        wanted |= {(method.lower(), path.replace("{kind}", kind)) for kind in kinds}
    assert {(method, path) for path, item in told["paths"].items() for method in item} == wanted


async def test_every_operation_has_one_name_a_sentence_its_errors_and_who_may_ask(told: Any) -> None:
    operations = [one for item in told["paths"].values() for one in item.values()]
    assert len({one["operationId"] for one in operations}) == len(operations)
    for one in operations:
        assert one["summary"]
        assert one["description"].endswith("`.")
        assert {"400", "429", "500", "503", "504"} <= one["responses"].keys()
        assert ("401" in one["responses"]) == bool(one["security"]), one["operationId"]
    assert {"putAppDescriptor", "listTenantDescriptors", "getRouteHistory", "deployApp"} <= {
        one["operationId"] for one in operations
    }


async def test_examples_of_specs_are_taken(api: Any, told: Any) -> None:
    for kind in api.app.state["kinds"]:
        body = told["paths"][f"/v1/{kind.KIND}/{{tenant}}/{{name}}"]["put"]["requestBody"]
        assert isinstance(convert(kind, body["content"]["application/json"]["example"]), kind)


async def test_a_write_knows_every_bound_and_no_other_field_and_a_patch_may_take_all_away(told: Any) -> None:
    spec = told["components"]["schemas"]["AppSpec"]
    assert spec["properties"]["next_release"]["maximum"] == 999_999_999
    assert spec["properties"]["host"]["description"] == "Where its instances run and its data folder is."
    assert spec["additionalProperties"] is False
    assert {"type": "null"} in told["components"]["schemas"]["AppPatch"]["properties"]["scale"]["anyOf"]


async def test_it_is_made_once_and_not_sent_again_to_who_has_it(api: Any) -> None:
    one = await api.front("GET", "/v1/openapi.json")
    assert one.status_code == 401
    path = "GET /v1/openapi.json HTTP/1.1\r\nhost: x\r\nconnection: close\r\n"
    first = await api.raw(f"{path}\r\n".encode())
    tag = next(line for line in first.decode().split("\r\n") if line.startswith("etag: ")).removeprefix("etag: ")
    again = await api.raw(f"{path}if-none-match: {tag}\r\n\r\n".encode())
    assert first.startswith(b"HTTP/1.1 200 ")
    assert again.startswith(b"HTTP/1.1 304 ")
    assert again.endswith(b"\r\n\r\n")


def test_patterns_are_written_as_other_languages_read_them() -> None:
    assert ecma(r"\A(?P<one>[a-z]+)\Z") == "^([a-z]+)$"
    assert ecma(r"^[^\0]*$") == r"^[^\u0000]*$"


def test_what_stands_behind_a_field_is_its_sentence() -> None:
    assert Sentences().of(Tenant)["memory_mb"].startswith("Sum over the tenant's instances")
