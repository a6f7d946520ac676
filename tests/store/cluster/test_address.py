"""Addresses are read strictly and never show a secret; what the database says becomes one of the house's codes."""

import subprocess
from pathlib import Path

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from serai.errors import InvalidError, SeraiError, UnavailableError
from serai.store import retry
from serai.store.cluster.address import parse
from serai.store.cluster.private import PrivateServer
from serai.store.conformance import Lamp
from serai.store.open import open_store

ONCE = retry.Patience(attempts=1)


@pytest.mark.parametrize(
    "text",
    [
        "postgresql://serai:Hunter2@db/serai",
        "postgresql://db/serai?password=Hunter2",
        "postgresql://serai:Hunter2@db/serai?nothing=known",
        "postgresql://serai:Hunter2%zz@db/serai",
        "mysql://serai:Hunter2@db/serai",
    ],
)
def test_a_password_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(InvalidError) as refused:
        open_store(text)
    assert "Hunter2" not in refused.value.public + repr(refused.value) + str(refused.value.__cause__)


@given(st.text(max_size=60))
def test_no_text_breaks_the_reader(text: str) -> None:
    try:
        address = parse(f"postgresql://{text}")
    except InvalidError:
        return
    assert "password" not in address.arguments("x")
    str(address)


def test_what_the_address_says_goes_before_what_the_house_prefers() -> None:
    address = parse("postgresql://serai@db.example:5433/cell?connect_timeout=9&options=-c%20work_mem%3D1MB")
    assert str(address) == "cell at db.example:5433"
    arguments = address.arguments("reader")
    assert arguments["connect_timeout"] == "9"
    assert arguments["options"].endswith("-c work_mem=1MB")
    assert "-c search_path=serai" in arguments["options"]


async def refusal(address: str) -> SeraiError:
    store = open_store(address, patience=ONCE)
    with pytest.raises(SeraiError) as refused:
        await store.put("user:ada", "", "ada", "desk", Lamp())
    await store.close()
    return refused.value


async def test_what_is_not_there_is_unavailable_and_says_which(postgres: PrivateServer, tmp_path: Path) -> None:
    away = await refusal(postgres.address("serai", tmp_path))
    assert (type(away), away.temporary) == (UnavailableError, True)
    assert "is away" in away.public
    missing = await refusal(postgres.address("nowhere"))
    assert (type(missing), missing.temporary) == (UnavailableError, False)
    assert "nowhere" in missing.public


async def test_the_password_comes_from_a_file_and_shows_up_nowhere(
    postgres: PrivateServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    name = postgres.database()
    with psycopg.connect(postgres.address("postgres"), autocommit=True) as admin:
        admin.execute("DROP ROLE IF EXISTS ada")
        admin.execute(f"CREATE ROLE ada LOGIN PASSWORD 'Hunter2'; ALTER DATABASE {name} OWNER TO ada".encode())
        rules = postgres.data / "pg_hba.conf"
        before = rules.read_text()
        rules.write_text(f"local all ada scram-sha-256\n{before}")
        admin.execute("SELECT pg_reload_conf()")
    passfile = tmp_path / "pass"
    passfile.write_text("*:*:*:ada:Hunter2\n")
    passfile.chmod(0o600)
    address = postgres.address(name).replace("serai@", "ada@")
    try:
        wrong = await refusal(address)
        assert not wrong.temporary
        store = open_store(f"{address}&passfile={passfile}")
        assert await store.put("user:ada", "", "ada", "desk", Lamp()) == 1
        told = subprocess.run(["ps", "axww", "-o", "args"], capture_output=True, text=True, check=True).stdout
        assert "Hunter2" not in told + caplog.text + wrong.public + repr(store.driver)
        await store.close()
    finally:
        rules.write_text(before)
