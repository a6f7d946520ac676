import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serai.errors import InvalidError
from serai.services.apps.manifest import MAX_SIZE, Manifest, ProcessConfig, Resources, parse


def refused(text):
    with pytest.raises(InvalidError) as caught:
        parse(text if isinstance(text, bytes) else text.encode())
    assert len(str(caught.value)) < 500
    return caught.value.fields["path"]


def test_an_empty_file_says_nothing():
    assert parse(b"") == Manifest()


def test_everything_can_be_said():
    manifest = parse(
        b"""
        name = "shop"
        runtime = "python3.11"
        persist = ["db.sqlite3", "uploads"]
        [processes.web]
        command = ["gunicorn", "shop:app"]
        [processes.mail]
        command = "python mail.py"
        instances = 2
        resources = {memory_mb = 64, cpu = 0.5}
        [health]
        path = "/healthz"
        start_seconds = 5
        [release]
        command = "python migrate.py"
        [[schedule]]
        name = "sweep"
        cron = "*/5 0-8 * * mon"
        command = "python sweep.py"
        time_zone = "Europe/Berlin"
        [static.paths]
        "/static/" = "collected"
        [build]
        command = "make assets"
        egress = false
        [env]
        SHOP_NAME = "R\xc3\xb6mer \xf0\x9f\x8d\x95"
        """
    )
    assert manifest.processes["mail"] == ProcessConfig(
        command="python mail.py", instances=2, resources=Resources(memory_mb=64, cpu=0.5)
    )
    assert manifest.processes["web"].command == ("gunicorn", "shop:app")
    assert manifest.static.paths == {"/static/": "collected"}
    assert manifest.env == {"SHOP_NAME": "Römer 🍕"}
    assert manifest.schedule[0].time_zone == "Europe/Berlin"


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("nmae = 'x'", "nmae"),
        ("[health]\npaht = '/'", "health.paht"),
        ("[processes.web]\ncommand = 'x'\nport = 1", "processes.web.port"),
        ("[processes.a]\ncommand = 'x'\n[processes.b]\ncommand = 'x'\ninstances = -1", "processes.b.instances"),
        ("[processes.b.resources]\nmemory_mb = 1", "processes.b.resources.memory_mb"),
        ("[processes.WEB]\ncommand = 'x'", "processes"),
        ("[env]\nA = '1'\nB = 2", "env.B"),
        ("[env]\n'A=B' = '1'", "env"),
        ('[env]\nA = "a\\u0000b"', "env.A"),
        ("[health]\nstart_seconds = 1e9", "health.start_seconds"),
        ("[resources]\ncpu = nan", "resources.cpu"),
        ("[resources]\ncpu = inf", "resources.cpu"),
        ("[resources]\ncpu = true", "resources.cpu"),
        ("[static]\nfolder = '../up'", "static.folder"),
        ("[static]\nfolder = '/etc'", "static.folder"),
        ("[static.paths]\n'/a/' = 'b/../../c'", "static.paths./a/"),
        ("[static.paths]\n'a' = 'b'", "static.paths"),
        ("persist = ['../data']", "persist[0]"),
        ("persist = ['']", "persist[0]"),
        ("runtime = 'cobol74'", "runtime"),
        ("entry = 'os:system(\"id\")'", "entry"),
        ("[release]\ncommand = ''", "release.command"),
        ("[release]\ncommand = []", "release.command"),
        ("[[schedule]]\nname = 'a'\ncommand = 'x'", "schedule[0]"),
        ("[[schedule]]\nname = 'a'\ncommand = 'x'\ncron = '* * * * *'\nevery_seconds = 5", "schedule[0]"),
        ("[[schedule]]\nname = 'a'\ncommand = 'x'\ncron = '* * *'", "schedule[0].cron"),
        ("[[schedule]]\nname='a'\ncommand='x'\nevery_seconds=5\ntime_zone='../etc'", "schedule[0].time_zone"),
        ("[[schedule]]\nname='a'\ncommand='x'\nevery_seconds=5\ntime_zone='Mars/Base'", "schedule[0].time_zone"),
        ("[[schedule]]\nname = 'a'\ncommand = 'x'\ncron = '61 * * * *'", "schedule[0].cron"),
        ("[[schedule]]\nname = 'a'\ncommand = 'x'\ncron = '0 0 30 2 *'", "schedule[0].cron"),
    ],
)
def test_what_is_wrong_is_named_by_its_path(text, path):
    assert refused(text) == path


def test_two_schedules_of_one_name_are_refused():
    one = "[[schedule]]\nname = 'a'\ncommand = 'x'\nevery_seconds = 5\n"
    assert refused(one * 2) == "schedule[1].name"


@pytest.mark.parametrize(
    "bomb",
    [
        b"a = " + b"[" * 60000,
        b"a = " + b"{a=" * 20000,
        b"env." + b"a." * 32000 + b"a = 1",
        b"[" + b"'a' . " * 9000 + b"a]",
        b"a = " + b"9" * 60000,
        b"'a" * 32768,
        b"\n".join(b"[a%d]" % number for number in range(6000)),
        b"\n".join(b"env." + b"a." * 30 + b"a%d=1" % number for number in range(600)),
        b"x" * (MAX_SIZE + 1),
        b"\xff\xfe",
        b"a = \x00",
    ],
    ids=range(11),
)
def test_bombs_are_refused_at_once(bomb):
    begin = time.process_time()
    refused(bomb)
    assert time.process_time() - begin < 1


@given(st.binary(max_size=300) | st.text(alphabet="[]{}.=\"'\n#a1-_\\ ", max_size=300).map(str.encode))
def test_any_octets_are_a_manifest_or_refused(data):
    try:
        manifest = parse(data)
    except InvalidError:
        return
    assert isinstance(manifest, Manifest)
