from __future__ import annotations

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from hypothesis import given
from hypothesis import strategies as st

from serai.services.edge.authority import Authority
from serai.services.edge.names import leaf_path
from serai.services.edge.tls import Certificates

NOW = datetime.now(UTC)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    authority = Authority(tmp_path, "Test authority")
    authority.open(NOW)
    for name in ("demo.localhost", "localhost", "*.wild.test"):
        assert authority.ensure(name, NOW)
    return tmp_path


def handshake(folder: Path, name: str, server: ssl.SSLContext | None = None) -> str:
    """Shake hands in memory as a browser that trusts only our authority; return the name on the certificate."""
    client = ssl.create_default_context(cafile=folder / "ca.pem")
    server = server or Certificates(folder).context()
    a, b = ssl.MemoryBIO(), ssl.MemoryBIO()
    ours = server.wrap_bio(a, b, server_side=True)
    theirs = client.wrap_bio(b, a, server_hostname=name)
    for _ in range(6):
        for side in (theirs, ours):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
            except ssl.SSLError:
                if side is theirs:
                    raise
    certificate = theirs.getpeercert()
    assert certificate is not None
    return certificate["subjectAltName"][0][1]  # type: ignore[index,return-value]


def test_each_name_gets_its_own_certificate_that_the_authority_vouches_for(folder: Path) -> None:
    server = Certificates(folder).context()
    assert handshake(folder, "demo.localhost", server) == "demo.localhost"
    assert handshake(folder, "localhost", server) == "localhost"
    assert handshake(folder, "DEMO.localhost", server) == "demo.localhost"


def test_a_wildcard_serves_one_label(folder: Path) -> None:
    assert handshake(folder, "a.wild.test") == "*.wild.test"
    with pytest.raises(ssl.SSLError):
        handshake(folder, "a.b.wild.test")


def test_an_unknown_name_is_refused_with_an_alert(folder: Path) -> None:
    with pytest.raises(ssl.SSLError, match=r"(?i)unrecognized"):
        handshake(folder, "other.test")


def test_a_new_leaf_is_found_without_a_restart(folder: Path) -> None:
    certificates = Certificates(folder)
    assert certificates.find("late.test") is None
    authority = Authority(folder, "Test authority")
    authority.open(NOW)
    authority.ensure("late.test", NOW)
    assert certificates.find("late.test") is not None


def test_an_authority_is_made_once_and_keeps_its_key_to_itself(folder: Path) -> None:
    before = (folder / "ca.pem").read_bytes()
    Authority(folder, "Another title").open(NOW)
    assert (folder / "ca.pem").read_bytes() == before
    assert (folder / "private").stat().st_mode & 0o777 == 0o700
    assert (folder / "private" / "ca.key").stat().st_mode & 0o777 == 0o600
    assert leaf_path(folder, "localhost").stat().st_mode & 0o777 == 0o640


def test_a_leaf_is_renewed_before_it_ends_and_not_earlier(folder: Path) -> None:
    authority = Authority(folder, "Test authority")
    authority.open(NOW)
    assert not authority.ensure("localhost", NOW + timedelta(days=50))
    assert authority.ensure("localhost", NOW + timedelta(days=65))


def test_a_broken_leaf_is_made_anew(folder: Path) -> None:
    leaf_path(folder, "localhost").write_text("garbage")
    authority = Authority(folder, "Test authority")
    authority.open(NOW)
    assert Certificates(folder).find("localhost") is None
    assert authority.ensure("localhost", NOW)
    assert handshake(folder, "localhost") == "localhost"


def test_a_leaf_of_an_authority_that_is_gone_is_made_anew(folder: Path) -> None:
    (folder / "ca.pem").unlink()
    authority = Authority(folder, "Test authority")
    authority.open(NOW)
    assert authority.ensure("localhost", NOW)
    assert handshake(folder, "localhost") == "localhost"


@pytest.mark.parametrize("length", [240, 241, 243, 247, 253])
def test_a_long_name_has_its_certificate(folder: Path, length: int) -> None:
    name = ".".join(["a" * 60] * 5)[:length]
    authority = Authority(folder, "Test authority")
    authority.open(NOW)
    assert authority.ensure(name, NOW)
    leaf = x509.load_pem_x509_certificate(leaf_path(folder, name).read_bytes())
    assert list(leaf.subject) == []
    assert handshake(folder, name) == name


@pytest.mark.parametrize("name", ["", "a/b", "../ca", "a..b", "-a", "A.test", "é.test", "a\0", "x" * 254, "a.*.b"])
def test_names_that_are_none_touch_no_file(folder: Path, name: str) -> None:
    authority = Authority(folder, "Test authority")
    authority.open(NOW)
    files = sorted(folder.rglob("*"))
    assert not authority.ensure(name, NOW)
    assert Certificates(folder).find(name) is None
    assert sorted(folder.rglob("*")) == files


@given(name=st.text(max_size=300))
def test_no_name_breaks_the_choice(tmp_path_factory: pytest.TempPathFactory, name: str) -> None:
    assert Certificates(tmp_path_factory.getbasetemp()).find(name) is None
