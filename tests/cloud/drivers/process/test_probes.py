import pytest

from serai.cloud.drivers.process.probes import NAMESPACES, forbidden


@pytest.mark.parametrize(("name", "value", "remedy"), NAMESPACES)
def test_a_host_that_forbids_user_namespaces_is_told_what_to_do(tmp_path, name, value, remedy):
    (tmp_path / name).parent.mkdir()
    (tmp_path / name).write_text(value + "\n")
    said = forbidden(tmp_path)
    assert f"({name.replace('/', '.')} = {value})" in said
    assert said.endswith(remedy + ".")


def test_a_host_that_allows_them_is_told_nothing(tmp_path):
    (tmp_path / "user").mkdir()
    (tmp_path / "user/max_user_namespaces").write_text("63000\n")
    assert forbidden(tmp_path) == ""
