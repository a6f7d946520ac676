"""Any descriptor: a form made from its struct, and what happens when two people use it."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from serai.console.forms import Form
from serai.console.leaves import changed
from serai.console.shape import all_kinds, shape
from serai.identity.descriptors import Tenant
from serai.services.apps.descriptors import App
from serai.tasks.schedule import Schedule

WRITABLE = sorted(kind.KIND for kind in all_kinds() if shape(kind.KIND).writable)
PATH = "/kinds/schedule/demo/nightly"
SPEC = Schedule(when="0 3 * * *", function="nightly", arguments={"a": [1]}, channel="x\ry\n")


async def founded(house: Any) -> None:
    await house.store.put("user:root", "test", "demo", "demo", Tenant(uid=1))
    await house.store.put("user:root", "test", "demo", "shop", App())


async def some(house: Any, role: str = "operator") -> Any:
    await founded(house)
    await house.store.put("user:root", "test", "demo", "nightly", SPEC)
    return await house.visitor("ada", ("" if role == "operator" else "demo", role))


async def spec(house: Any) -> Schedule:
    found: Schedule = (await house.store.get(Schedule, "demo", "nightly")).spec
    return found


@pytest.mark.parametrize("kind", WRITABLE)
def test_every_kind_has_a_form_whose_fields_are_its_structs(kind: str) -> None:
    of = shape(kind)
    written = {one.encode_name for one in msgspec.structs.fields(of.kind)} - of.kind.DERIVED.keys()
    assert {leaf.path[0] for leaf in of.fields} == written


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None, max_examples=50)
@given(st.data())
def test_a_form_that_nobody_touched_changes_nothing(data: st.DataObject) -> None:
    of = shape(data.draw(st.sampled_from(WRITABLE)))
    fields = {one.name: _values(one.type) for one in msgspec.structs.fields(of.kind)}
    before = data.draw(st.fixed_dictionaries(fields))
    pairs = []
    for leaf in of.fields:
        text = leaf.text(leaf.of(before))
        if text or leaf.how != "check":
            # What browsers make of line ends on the way.
            pairs.append((leaf.name, text.replace("\r\n", "\n").replace("\r", "\n")))
    form = Form(of.form, tuple(pairs), sent=True)
    if form.ok:
        after = changed(form, of.fields, before)
        assert {key: after[key] for key in after if after[key] != before[key] and "\r" not in str(before[key])} == {}


def _values(annotation: Any) -> st.SearchStrategy[Any]:
    text = st.text(max_size=20)
    info = msgspec.inspect.type_info(annotation)
    if isinstance(info, msgspec.inspect.Metadata):
        info = info.type
    inspect = msgspec.inspect
    plain: dict[type, st.SearchStrategy[Any]] = {
        inspect.StrType: text,
        inspect.IntType: st.integers(0, 1000),
        inspect.FloatType: st.floats(1, 1000),
        inspect.BoolType: st.booleans(),
    }
    if isinstance(info, inspect.LiteralType):
        return st.sampled_from(info.values)
    if isinstance(info, inspect.UnionType):
        return st.none()
    if isinstance(info, inspect.DictType):
        return st.dictionaries(text, st.integers(0, 5), max_size=2)
    if isinstance(info, (inspect.VarTupleType, inspect.ListType)):
        return st.lists(text, max_size=2)
    return plain.get(type(info), st.just({}))


async def test_one_is_made_changed_and_its_past_told_and_gone_back_to(house: Any) -> None:
    await founded(house)
    browser = await house.visitor("ada", ("", "operator"))
    page = await browser.get("/kinds/schedule/new?tenant=demo")
    form = {".name": "nightly", "when": "0 3 * * *", "function": "nightly"}
    page = await browser.follow(await browser.submit(page, form, action="/kinds/schedule/new"))
    assert "nightly is made" in page.text
    page = await browser.follow(await browser.submit(page, {"when": "0 4 * * *", "priority": "7"}, action=PATH))
    assert ((await spec(house)).when, (await spec(house)).priority) == ("0 4 * * *", 7)
    page = await browser.get(f"{PATH}/history")
    assert "<del>0 3 * * *</del>" in page.text
    page = await browser.follow(await browser.submit(page, {"version": "1"}, action=f"{PATH}/restore"))
    assert (await spec(house)).when == "0 3 * * *"


async def test_what_was_not_touched_stays_to_the_octet(house: Any) -> None:
    browser = await some(house)
    page = await browser.get(PATH)
    await browser.follow(await browser.submit(page, {"priority": "3", "arguments": '{"b": 2}'}, action=PATH))
    assert await spec(house) == msgspec.structs.replace(SPEC, priority=3, arguments={"b": 2})


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("deadline", "soon", "This is a number."),
        ("deadline", "0", "more than"),
        ("retries", "-1", "at least 0"),
        ("arguments", "{", "not JSON"),
        ("missed", "maybe", ""),
        ("when", "x" * 300, "256 characters"),
        ("when", "nonsense", ""),
    ],
)
async def test_what_does_not_fit_is_said_beside_its_field(house: Any, field: str, value: str, said: str) -> None:
    browser = await some(house)
    page = await browser.submit(await browser.get(PATH), {field: value, "provider": "typed"}, action=PATH)
    assert 400 <= page.status_code < 500
    assert said in page.text
    assert 'value="typed"' in page.text
    assert await spec(house) == SPEC


async def test_of_two_who_edit_the_second_sees_what_the_first_did(house: Any) -> None:
    browser = await some(house)
    mine = await browser.get(PATH)
    theirs = msgspec.structs.replace(SPEC, priority=9)
    await house.store.put("user:bob", "test", "demo", "nightly", theirs)
    page = await browser.submit(mine, {"retries": "4"}, action=PATH)
    assert page.status_code == 409
    assert "What changed meanwhile" in page.text
    assert "<ins>9</ins>" in page.text
    assert await spec(house) == theirs
    await browser.follow(await browser.submit(page, {}, action=PATH))
    assert (await spec(house)).retries == 4


async def test_one_is_deleted_with_its_name_and_had_back(house: Any) -> None:
    browser = await some(house, "operator")
    page = await browser.get(PATH)
    page = await browser.submit(page, {"repeat": "nightl"}, action=f"{PATH}/delete")
    assert page.status_code == 400
    page = await browser.submit(page, {"repeat": "nightly"}, action=f"{PATH}/delete")
    page = await browser.get(page.headers["location"])
    assert page.status_code == 404
    assert "ada from 192.0.2.7 deleted it" in page.text
    await browser.follow(await browser.submit(page, {}, action=f"{PATH}/undelete"))
    assert await spec(house) == SPEC


async def test_who_may_only_look_gets_no_form(house: Any) -> None:
    browser = await some(house, "viewer")
    page = await browser.get(PATH)
    assert page.status_code == 200
    assert f'action="{PATH}"' not in page.text
    assert "/delete" not in page.text


async def test_strangers_learn_nothing(house: Any) -> None:
    await some(house)
    browser = await house.visitor("eve", ("other", "owner"))
    answers = [
        (await browser.get(path)).status_code
        for path in (PATH, "/kinds/schedule/demo/missing", f"{PATH}/history", "/kinds/schedule?tenant=demo")
    ]
    assert len(set(answers)) == 1
    assert answers[0] in {403, 404}
    assert (await browser.get("/kinds/nonsense")).status_code == 404


async def test_a_list_is_paged_and_all_kinds_answer(house: Any) -> None:
    for number in range(60):
        name = f"t{number:03}"
        await house.store.put("user:root", "test", name, name, Tenant(uid=number + 1))
    browser = await house.visitor("ops", ("", "operator"))
    page = await browser.get("/kinds/tenant")
    assert "t049" in page.text
    assert "t050" not in page.text
    assert "Next page" in page.text
    for kind in all_kinds():
        assert (await browser.get(f"/kinds/{kind.KIND}")).status_code == 200, kind.KIND
