import pytest

from mrdib_graph.cli import exit_status
from mrdib_graph.errors import CheckpointError, ConfigError, DataError


@pytest.mark.parametrize(
    ("error", "status", "text"),
    [
        (ConfigError("k: got 0,\nexpected 1"), 2, "error: k: got 0, expected 1\n"),
        (DataError("a file"), 3, "error: a file\n"),
        (CheckpointError("damaged"), 1, "error: damaged\n"),
        (ValueError("a bug"), 1, "error: ValueError: a bug (--debug shows where)\n"),
        (KeyboardInterrupt(), 130, "interrupted\n"),
        (KeyboardInterrupt("Continue"), 130, "Continue\n"),
    ],
)
def test_an_error_has_its_status_and_one_line(capsys, error, status, text) -> None:
    def fail(arguments: list[str]) -> None:
        assert arguments == ["--k", "0"]
        raise error

    assert exit_status(fail, ["--k", "0"]) == status
    assert capsys.readouterr() == ("", text)
    assert exit_status(fail, ["--debug", "--k", "0"]) == status
    err = capsys.readouterr().err
    assert err.endswith(text) and ("Traceback" in err) is (status != 130)


def test_nothing_wrong_is_0(monkeypatch) -> None:
    monkeypatch.setattr("sys.argv", ["program", "a"])
    assert exit_status(lambda words: words.remove("a")) == 0
