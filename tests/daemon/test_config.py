"""serai.toml: defaults, overlays, and errors that say where."""

from __future__ import annotations

import tomllib
from contextlib import suppress
from pathlib import Path
from typing import Annotated, ClassVar

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from serai.daemon import config, plan
from serai.daemon.module import Needs
from serai.daemon.reference import documented
from serai.daemon.registry import Registry
from serai.daemon.service import Service
from serai.errors import InternalError, InvalidError, SeraiError

HOME = Path("/srv/serai")


class Limits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    rate: int = 1


class WebConfig(msgspec.Struct, frozen=True):
    """A web server."""

    listen: Annotated[tuple[str, ...], msgspec.Meta(description="Where.")] = ("http://127.0.0.1:8080",)
    seconds: Annotated[float, msgspec.Meta(ge=0)] = 1.0
    zones: dict[str, Limits] = {}


class Web:
    ID: ClassVar[str] = "web.http"
    Config: ClassVar = WebConfig
    NEEDS: ClassVar = Needs(listen=("listen",))


class SecureConfig(msgspec.Struct, frozen=True):
    http: tuple[str, ...] = ()
    https: tuple[str, ...] = ()


class Secure(Web):
    ID: ClassVar[str] = "web.secure"
    Config: ClassVar = SecureConfig
    NEEDS: ClassVar = Needs(listen=("http", "https"))


class Boss(Web):
    ID: ClassVar[str] = "web.boss"
    NEEDS: ClassVar = Needs(privilege="agent", copies="one")


@pytest.fixture
def registry() -> Registry:
    modules = {"web.http": f"{__name__}:Web", "web.boss": f"{__name__}:Boss", "web.secure": f"{__name__}:Secure"}
    return Registry({"web": Service(name="web", summary="", modules=modules)})


@pytest.fixture(autouse=True)
def importable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("serai.daemon.registry.load", lambda path: globals()[path.rpartition(":")[2]])


def planned(registry: Registry, text: str, *sets: str, root: bool = False) -> tuple[plan.GroupPlan, ...]:
    return plan.build(config.read(text.encode(), sets, registry.ids(), root=root), registry, HOME)


def refusal(registry: Registry, text: str, *sets: str) -> InvalidError:
    with pytest.raises(InvalidError) as refused:
        planned(registry, text, *sets)
    return refused.value


GROUP = '[groups.web]\nmodules = ["web.http"]\n'


def test_an_empty_file_runs_the_default_groups_of_what_is_installed() -> None:
    settings = config.read(b"", (), ["edge.http", "bus.server", "tasks.bot"], root=False)
    assert {name: group.modules for name, group in settings.groups.items()} == {
        "control": ("bus.server",),
        "bots": ("tasks.bot",),
        "agent": ("tasks.bot@host", "tasks.bot@work", "tasks.bot@store"),
        "edge": ("edge.http",),
    }
    assert settings.host.base == "localhost"
    assert settings.modules["tasks.bot@host"] == {"queue": f"host:{settings.host.name}"}
    assert settings.modules["edge.http"]["http"] == ["tcp://*:8080"]


def test_as_root_the_edge_also_listens_on_the_well_known_ports() -> None:
    settings = config.read(b"", (), ["edge.http"], root=True)
    assert settings.modules["edge.http"]["http"] == ["tcp://*:80", "tcp://*:8080"]
    assert settings.modules["edge.http"]["https"] == ["tcp://*:443", "tcp://*:8443"]


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("[hots]\n", "hots"),
        ("host = 1\n", "host"),
        ("[host]\nbaes = 'x'\n", "host.baes"),
        ("[host]\ndrain_seconds = -1\n", "host.drain_seconds"),
        ("[host]\ndrain_seconds = '1'\n", "host.drain_seconds"),
        ("[groups.Web]\n", "groups.Web"),
        ("[groups.web]\nmodules = ['web.http', 7]\n", "groups.web.modules[1]"),
        ("[groups.web]\nmodules = ['web.http', 'nothing']\n", "groups.web.modules[1]"),
        ("[groups.web]\nmodules = ['web.http', 'web.http']\n", "groups.web.modules"),
        ("[groups.web]\nmodules = ['web.boss']\nprocesses = 2\n", "groups.web.processes"),
        ("[groups.web]\nmodules = ['web.boss']\nprivilege = 'edge'\n", "groups.web.privilege"),
        ("[groups.web]\nprocesses = 'many'\n", "groups.web.processes"),
        ('[modules."web.htpp"]\n', 'modules."web.htpp"'),
        ('[modules."web.http"]\nlsten = []\n', 'modules."web.http".lsten'),
        ('[modules."web.http"]\nlisten = ["http://127.0.0.1:1", 2]\n', 'modules."web.http".listen[1]'),
        ('[modules."web.http"]\nlisten = ["http://127.0.0.1:1", "http://x:1"]\n', 'modules."web.http".listen[1]'),
        ('[modules."web.http"]\nseconds = -1\n', 'modules."web.http".seconds'),
        ('[modules."web.http"]\nzones.a.rate = 1\nzones."b.c".rate = "x"\n', 'modules."web.http".zones."b.c".rate'),
        ('[modules."web.http"]\nzones.a.rate = 1\nzones.b.rte = 1\n', 'modules."web.http".zones.b.rte'),
        ("[log]\nlevel = 'loud'\n", "log.level"),
        ("[sentry]\ndsn = 1\n", "sentry.dsn"),
        ("[host\n", "serai.toml"),
    ],
)
def test_a_mistake_is_refused_with_its_full_path(registry: Registry, text: str, path: str) -> None:
    error = refusal(registry, text if "[groups.web]" in text else GROUP + text if text[0] == "[" else text)
    assert error.fields["path"] == path
    assert path in error.public


def test_two_modules_on_one_address_are_refused(registry: Registry) -> None:
    error = refusal(registry, '[groups.a]\nmodules = ["web.http"]\n[groups.b]\nmodules = ["web.http@two"]\n')
    assert error.fields["path"] == 'modules."web.http@two".listen'


def test_a_labelled_module_has_a_section_of_its_own(registry: Registry) -> None:
    text = '[groups.a]\nmodules = ["web.http@x"]\n[modules."web.http@x"]\nlisten = ["unix:run/x.sock"]\n'
    (group,) = planned(registry, text)
    assert group.modules[0].id == "web.http"
    assert group.modules[0].addresses["listen"][0].path == "/srv/serai/run/x.sock"


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("a=1", {"a": 1}),
        ("a.b=true", {"a": {"b": True}}),
        ("host.base=example.test", {"host": {"base": "example.test"}}),
        ('a=say "hi" $(x)', {"a": 'say "hi" $(x)'}),
        ("a=", {"a": ""}),
        ('modules."edge.http".listen=["tcp://*:1"]', {"modules": {"edge.http": {"listen": ["tcp://*:1"]}}}),
        ("a=1\n[b]\nc=2", {"a": "1\n[b]\nc=2"}),
    ],
)
def test_a_set_is_a_dotted_key_with_a_toml_value_or_a_bare_string(text: str, tree: object) -> None:
    assert config.overlay(text) == tree


def test_later_sets_win_over_earlier_ones_and_over_the_file(registry: Registry) -> None:
    sets = ("groups.web.processes=3", "groups.web.processes=4")
    (group,) = planned(registry, GROUP + "processes = 2\n", *sets)
    assert group.processes == 4


@given(st.text(max_size=60))
def test_no_setting_breaks_the_overlay(text: str) -> None:
    try:
        assert isinstance(config.overlay(text), dict)
    except SeraiError:
        return


@given(st.binary(max_size=200))
def test_no_file_breaks_the_reader(data: bytes) -> None:
    with suppress(InvalidError):
        assert config.read(data, (), [], root=False).host.name


def test_the_plan_fits_on_one_screen(registry: Registry) -> None:
    groups = planned(registry, GROUP + '[groups.top]\nmodules = ["web.boss"]\n[host]\nuid_base = 5000\n', root=True)
    assert [msgspec.structs.astuple(row) for row in plan.rows(groups, root=True)] == [
        ("web", "web.http", "edge (5001:5000)", ("http://127.0.0.1:8080",), 1, "per_worker", ()),
        ("top", "web.boss", "root", (), 1, "one", ()),
    ]


def test_the_plan_says_where_tls_is_spoken(registry: Registry) -> None:
    text = GROUP + '[modules."web.http"]\nlisten = ["https://*:1", "tcp://*:2"]\n'
    [row] = plan.rows(planned(registry, text), root=False)
    assert row.tls == ("https://*:1",)
    text = (
        GROUP.replace("web.http", "web.secure")
        + '[modules."web.secure"]\nhttp = ["tcp://*:1"]\nhttps = ["tcp://*:2"]\n'
    )
    [row] = plan.rows(planned(registry, text), root=False)
    assert (row.sockets, row.tls) == (("tcp://*:1", "tcp://*:2"), ("tcp://*:2",))


def test_the_documented_file_is_valid_and_says_the_defaults(registry: Registry) -> None:
    text = documented({"host": {"name": "one"}}, {"web.http": WebConfig})
    assert tomllib.loads(text) == {"host": {"name": "one"}}
    assert "# drain_seconds = 30.0" in text
    assert "## Where." in text
    commented = [line.removeprefix("# ") for line in text.splitlines() if line.startswith("# ") and "=" in line]
    for line in commented:
        assert tomllib.loads(line)


def test_the_stores_address_stands_above_all_sections(registry: Registry) -> None:
    text = 'store = "postgresql://serai@db.example/cell"\n' + GROUP
    [group] = planned(registry, text)
    assert group.store == "postgresql://serai@db.example/cell"
    for wrong in ('"postgresql://serai:Hunter2@db/cell"', '"mysql://serai:Hunter2@db/cell"', "7"):
        with pytest.raises(InvalidError) as refused:
            planned(registry, f"store = {wrong}\n{GROUP}")
        assert refused.value.fields["path"] == "store"
        assert "Hunter2" not in refused.value.public


def test_two_services_that_bring_one_module_are_a_mistake() -> None:
    service = Service(name="x", summary="", modules={"a.b": "x:y"})
    with pytest.raises(InternalError):
        Registry({"x": service, "y": service})
