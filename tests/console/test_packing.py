"""Pages are sent compressed to who takes it, and what they say twice is never the same secret."""

from __future__ import annotations

import re
from typing import Any


async def test_a_page_is_packed_for_who_takes_it(house: Any) -> None:
    ada = await house.visitor("ada", ("", "operator"))
    packed = await ada.get("/account", accept_encoding="br, gzip")
    plain = await ada.get("/account", accept_encoding="identity")
    assert packed.headers["content-encoding"] == "gzip"
    assert packed.headers["vary"] == "accept-encoding"
    assert int(packed.headers["content-length"]) < len(plain.content) / 2
    assert "content-encoding" not in plain.headers
    assert len(packed.text) == len(plain.text)


async def test_what_answers_a_post_is_not_packed(house: Any) -> None:
    answer = await house.browser().post("/sign-in", {"login": "nobody", "password": "x"}, accept_encoding="gzip")
    assert answer.status_code in {401, 403}
    assert "content-encoding" not in answer.headers


async def test_the_token_of_forms_is_another_on_each_page_and_the_same_within_one(house: Any) -> None:
    ada = await house.visitor("ada", ("", "operator"))
    one, other = [set(re.findall('name="csrf" value="([^"]+)"', (await ada.get("/account")).text)) for _ in range(2)]
    assert len(one) == len(other) == 1
    assert one != other
