"""The pages that descriptors have of their own."""

from __future__ import annotations

import pytest
from places import patterns

from serai.console.homes import _PAGES, home_of
from serai.console.shape import all_kinds


@pytest.mark.parametrize(
    ("kind", "name", "page"),
    [
        ("app", "a/b", "/tenants/acme/apps/a%2Fb"),
        ("release", "shop.12", "/tenants/acme/apps/shop/releases/12"),
        ("instance", "shop.12.web.0", "/tenants/acme/apps/shop"),
        ("member", "ada:shop", "/tenants/acme/people/ada%3Ashop"),
        ("schedule", "shop.task.x", "/tenants/acme/tasks/schedules/shop.task.x"),
        ("host", "vm", ""),
        ("no such", "x", ""),
    ],
)
def test_a_thing_is_found_where_its_page_is(kind: str, name: str, page: str) -> None:
    assert home_of(kind, "acme", name) == page


def test_what_is_the_platforms_has_its_pages() -> None:
    assert home_of("role", "", "night") == "/tenants/-/roles/night"
    assert home_of("user", "", "ada") == "/people/ada"


def test_all_of_them_are_kinds_and_pages() -> None:
    shapes = {tuple("{}" if part.startswith("{") else part for part in one.split("/")) for one in patterns()}
    for kind, page in _PAGES.items():
        assert kind == all_kinds().get(kind).KIND
        assert tuple("{}" if part.startswith("{") else part for part in page.split("/")) in shapes, page
