import pytest
from hypothesis import given
from hypothesis import strategies as st

from serai.errors import InvalidError
from serai.services.apps.recipes.commands import argv_of


@pytest.mark.parametrize(
    ("command", "argv"),
    [
        ("./run --now", ("./run", "--now")),
        ("node server.js", ("/usr/bin/env", "node", "server.js")),
        ("say 'a b' \"c d\"", ("/usr/bin/env", "say", "a b", "c d")),
        (("say", "$HOME; id"), ("/usr/bin/env", "say", "$HOME; id")),
        ("run --port $PORT", ("/bin/sh", "-c", "exec run --port $PORT")),
        ("a && b", ("/bin/sh", "-c", "a && b")),
        ("MODE=x run", ("/bin/sh", "-c", "MODE=x run")),
    ],
)
def test_a_line_is_words_unless_it_needs_a_shell(command, argv):
    assert argv_of(command) == argv


@pytest.mark.parametrize("command", ["say 'open", "  "])
def test_a_line_that_is_none_is_refused(command):
    with pytest.raises(InvalidError) as caught:
        argv_of(command, "release.command")
    assert caught.value.fields["path"] == "release.command"


@given(st.text(min_size=1, max_size=50))
def test_what_a_shell_gets_is_the_persons_own_line(line):
    try:
        argv = argv_of(line)
    except InvalidError:
        return
    if argv[0] == "/bin/sh":
        assert argv[1] == "-c"
        assert argv[2] in {line, f"exec {line}"}
