"""What may be named as a source: few forms of URLs, refs and folders, and no message that repeats a secret."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serai.errors import InvalidError
from serai.services.apps.git.source import Place, Source, check, parse_place, place_of

COMMIT = "a" * 40


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("https://git.example.org/shop.git", Place("git.example.org")),
        ("https://GIT.Example.org:443/a/b", Place("git.example.org")),
        ("https://git.example.org:8443/~me/shop%20one.git/", Place("git.example.org", 8443)),
        ("https://192.0.2.7/x", Place("192.0.2.7")),
        ("https://[2001:DB8::7]:3000/x", Place("2001:db8::7", 3000)),
        ("https://xn--bcher-kva.example/x", Place("xn--bcher-kva.example")),
        ("https://git/x", Place("git")),
        ("https://1.example/x", Place("1.example")),
    ],
)
def test_a_url_leads_to_a_place(url: str, place: Place) -> None:
    assert place_of(url) == place
    assert parse_place(str(place)) == place


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("file:///etc/passwd", "a place on a disk"),
        ("/srv/shop.git", "a place on a disk"),
        ("../shop.git", "a place on a disk"),
        ("~/shop", "a place on a disk"),
        ("http://git.example.org/x", "not encrypted"),
        ("HTTP://git.example.org/x", "not encrypted"),
        ("git://git.example.org/x", "not encrypted"),
        ("ssh://git@git.example.org/x", "no SSH key"),
        ("git@git.example.org:x.git", "no SSH key"),
        ("ext::sh -c id", "begins with https://"),
        ("ext::https://git.example.org/x", "begins with https://"),
        ("ftp://git.example.org/x", "begins with https://"),
        ("--upload-pack=id", "begins with https://"),
        ("-oProxyCommand=id", "begins with https://"),
        ("", "begins with https://"),
        (" https://git.example.org/x", "begins with https://"),
        ("https://git.example.org", "no path"),
        ("https://git.example.org/", "no path"),
        ("https://git.example.org/x?y", "no query"),
        ("https://git.example.org/x#y", "no query"),
        ("https://git.example.org/x y", "percent-encoding"),
        ("https://git.example.org/x\\y", "percent-encoding"),
        ("https://git.example.org/x\n", "percent-encoding"),
        ("https://git.example.org/x%0", "percent-encoding"),
        ("https:///x", "names no host"),
        ("https://-x/x", "names no host"),
        ("https://git.example.org./x", "names no host"),
        ("https://git..org/x", "names no host"),
        ("https://git.example.org:0/x", "names no host"),
        ("https://git.example.org:65536/x", "names no host"),
        ("https://git.example.org:/x", "names no host"),
        ("https://127.1/x", "names no host"),
        ("https://2130706433/x", "names no host"),
        ("https://0x7f.1/x", "names no host"),
        ("https://0x7f000001/x", "names no host"),
        ("https://127.0.0.1.256/x", "names no host"),
        ("https://::1/x", "names no host"),
        ("https://[::1%25lo]/x", "names no host"),
        ("https://[127.0.0.1]/x", "names no host"),
        ("https://bücher.example/x", "names no host"),
        ("https://git.example.org:22/x", "port 443"),
        ("https://git.example.org:25/x", "port 443"),
        (f"https://git.example.org/{'x' * 2000}", "at most 2000"),
    ],
)
def test_any_other_url_is_refused_with_a_reason(url: str, said: str) -> None:
    with pytest.raises(InvalidError, match=said) as error:
        check(Source(url=url))
    assert error.value.fields["path"] == "git.url"


@pytest.mark.parametrize("user", ["me:s3cret", "s3cret", ":s3cret", "s3cret:", "a@b:s3cret"])
def test_a_url_with_a_secret_is_refused_with_a_hint_and_not_repeated(user: str) -> None:
    with pytest.raises(InvalidError, match="deploy token") as error:
        check(Source(url=f"https://{user}@git.example.org/x.git"))
    assert "s3cret" not in error.value.public + repr(error.value.fields)


@pytest.mark.parametrize(
    "ref", ["main", "v1.2", "feature/x", "refs/heads/main", "refs/pull/12/head", COMMIT, "a@b", "1"]
)
def test_a_branch_a_tag_and_a_commit_are_refs(ref: str) -> None:
    check(Source(url="https://git.example.org/x", ref=ref))


@pytest.mark.parametrize(
    "ref",
    ["-x", "--upload-pack=id", "+main", "main:refs/heads/x", "a..b", "a b", "a\n", "@{1}", "a@{1}", "^x", "a~1", "a?",
     "a*", "a[", "a\\b", "/a", "a/", "a//b", "a/.b", "a.lock", "a.lock/b", "a.", ".a", "é", "a\x00", "x" * 201],
)  # fmt: skip
def test_what_git_would_read_otherwise_is_no_ref(ref: str) -> None:
    with pytest.raises(InvalidError) as error:
        check(Source(url="https://git.example.org/x", ref=ref))
    assert error.value.fields["path"] == "git.ref"


def test_a_folder_is_below_the_repositorys_own() -> None:
    for folder in ("site", "a/b c/ü", "-x", "a.b"):
        check(Source(url="https://git.example.org/x", folder=folder))
    for folder in (
        "/a",
        "a/",
        "a//b",
        "..",
        "a/../b",
        ".",
        "./a",
        ".git",
        "a/.GIT/b",
        "a:b",
        "a\x00",
        "a\nb",
        "x" * 501,
    ):
        with pytest.raises(InvalidError) as error:
            check(Source(url="https://git.example.org/x", folder=folder))
        assert error.value.fields["path"] == "git.folder"


@given(st.text(max_size=60), st.text(max_size=30), st.text(max_size=30))
def test_any_text_is_taken_or_refused(url: str, ref: str, folder: str) -> None:
    for one in (url, f"https://{url}", f"https://git.example.org/{url}"):
        try:
            place = check(Source(url=one, ref=ref, folder=folder))
        except InvalidError:
            continue
        assert parse_place(str(place)) == place
        assert not {" ", "\n", "\x00", "@", "\\", "#", "?"} & set(one.removeprefix("https://").partition("/")[0])
        assert not ref.startswith(("-", "+", ":"))
        assert ".." not in folder.split("/")
