"""How a script fails, reads comma lists and writes results."""

import json
from pathlib import Path
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


def test_comma_lists(script):
    assert script.numbers("0,0.5", "--shares") == [0.0, 0.5]
    assert script.seeds_of("3,1", "--data-seeds") == [3, 1]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1,x", "--data-seeds: got '1,x', expected whole numbers, as 1,2,3"),
        ("1,1.5", "--data-seeds: got '1,1.5', expected whole numbers"),
        ("", "--data-seeds: got '', expected whole numbers"),
        ("2,1,2", "--data-seeds: got '2,1,2', which names one twice"),
    ],
)
def test_wrong_seeds_are_named(script, text, message):
    with pytest.raises(ConfigError, match=message):
        script.seeds_of(text, "--data-seeds")


def test_results_are_written_whole_or_not_at_all(script, tmp_path: Path):
    path = tmp_path / "new" / "result.json"
    script.write_json(path, {"a": [1, 2.5]})
    assert json.loads(path.read_text(encoding="utf-8")) == {"a": [1, 2.5]}
    with pytest.raises(TypeError):
        script.write_json(path, {"a": [1], "b": object()})
    assert json.loads(path.read_text(encoding="utf-8")) == {"a": [1, 2.5]}
    assert [p.name for p in path.parent.iterdir()] == ["result.json"]
    with pytest.raises(DataError, match="result.json/more.json: cannot be written"):
        script.write_json(path / "more.json", {})
