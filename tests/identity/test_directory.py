"""The directory: what is known at once, what comes by the feed, what roles mean where."""

from pathlib import Path

import pytest

from serai.errors import DeniedError, NotFoundError, UnavailableError
from serai.identity.directory import Directory
from serai.identity.people import CustomRole, Member, User
from serai.identity.principals import Grant
from serai.identity.testing import PASSPHRASE, Town
from serai.store import Delete
from serai.store.open import open_store


async def test_own_commits_are_known_at_once(town: Town) -> None:
    await town.user("ada", ("demo", "owner"), ("other:shop", "viewer"))
    assert town.directory.grants("ada") == (Grant("owner", "demo"), Grant("viewer", "other", "shop"))
    await town.store.change("user:root", "left", (Delete("member", "demo", "ada"),))
    assert town.directory.grants("ada") == (Grant("viewer", "other", "shop"),)
    assert list(town.directory.by_email(" ADA@example.TEST ")) == ["ada"]


async def test_others_commits_come_by_the_feed(tmp_path: Path) -> None:
    mine, theirs = open_store(tmp_path / "store.db"), open_store(tmp_path / "store.db")
    await theirs.put("user:root", "w", "", "eve", User())
    directory = Directory(mine)
    await directory.open()
    assert directory.user("eve") == User()
    await theirs.put("user:root", "w", "demo", "eve", Member(role="viewer"))
    assert directory.grants("eve") == ()
    await directory.follow()
    assert directory.grants("eve") == (Grant("viewer", "demo"),)
    await theirs.change("user:root", "w", (Delete("user", "", "eve"),))
    await directory.follow()
    assert directory.user("eve") is None
    await mine.close()
    await theirs.close()


async def test_before_it_knows_who_there_is_nobody_is_told_that_what_they_show_is_wrong(tmp_path: Path) -> None:
    town = Town(open_store(tmp_path / "store.db"))
    for kind in ("token", "session"):
        with pytest.raises(UnavailableError):
            getattr(town.recogniser, kind)("serai_-.x_y", "192.0.2.7", town.now)
    with pytest.raises(UnavailableError):
        await town.signin.password("ada", PASSPHRASE, "", town.attempt())
    await town.directory.open()
    assert town.recogniser.session("x.y", "192.0.2.7", town.now) is None
    with pytest.raises(DeniedError):
        await town.signin.password("ada", PASSPHRASE, "", town.attempt())
    await town.store.close()


async def test_a_custom_role_means_its_actions(town: Town) -> None:
    await town.store.put("user:root", "w", "", "auditor", CustomRole(actions=("audit.read",)))
    await town.store.put("user:root", "w", "demo", "deployer", CustomRole(actions=("app.deploy", "*.read")))
    await town.user("ada", ("demo", "deployer"), ("other", "auditor"))
    assert town.directory.grants("ada") == (
        Grant("deployer", "demo", "", ("app.deploy", "*.read")),
        Grant("auditor", "other", "", ("audit.read",)),
    )
    await town.store.change("user:root", "w", (Delete("role", "demo", "deployer"),))
    assert town.directory.grants("ada") == (Grant("auditor", "other", "", ("audit.read",)),)
    with pytest.raises(NotFoundError):
        town.directory.actions("demo", "deployer")


async def test_a_tenants_role_can_not_pose_as_a_built_in_one(town: Town) -> None:
    await town.store.put("user:root", "w", "demo", "viewer", CustomRole(actions=("*.*",)))
    await town.user("ada", ("demo", "viewer"))
    [grant] = town.directory.grants("ada")
    assert not grant.allows("app.delete")
