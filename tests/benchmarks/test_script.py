"""How a script fails: one line for the library's errors, a traceback for a bug."""

from types import ModuleType

import pytest

from mrdib_graph.errors import ConfigError, DataError


@pytest.fixture(scope="module")
def script(load_job) -> ModuleType:
    return load_job("script")


@pytest.mark.parametrize("kind", [ConfigError, DataError])
def test_an_error_of_the_library_is_one_line_and_its_exit_status(script, kind, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["script.py", "--seeds", "x"])

    def main(argv: list[str]) -> None:
        raise kind(f"{argv[0]}: got\n  {argv[1]}")

    with pytest.raises(SystemExit) as stopped:
        script.start(main)
    assert stopped.value.code == kind.exit_status != 0
    assert capsys.readouterr().err == "error: --seeds: got x\n"


def test_a_bug_keeps_its_traceback(script, monkeypatch):
    monkeypatch.setattr("sys.argv", ["script.py"])
    with pytest.raises(ZeroDivisionError):
        script.start(lambda argv: 1 // len(argv))
