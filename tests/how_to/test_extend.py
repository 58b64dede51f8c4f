"""The parts of ``docs/how_to/mine.py`` run from the command line; wrong steps are answered."""

import json
import re
import shlex
from pathlib import Path

import pytest

from mrdib_graph.cli import main

HOW_TO = Path(__file__).resolve().parents[2] / "docs" / "how_to"
PAGE = (HOW_TO / "extend.md").read_text(encoding="utf-8")
MINE = (HOW_TO / "mine.py").read_text(encoding="utf-8")
SMALL = (
    *("--no-mlflow", "--no-profile", "--quiet", "--baselines", "none", "--seeds", "0"),
    *("--epochs", "1", "--embedding-dim", "8", "--out", "out", "--set"),
    "dataset_options={num_users: 80, num_items: 60, num_interactions: 1000}",
)


def _commands(text: str) -> list[list[str]]:
    found = re.findall(r"^\$ mrdib-graph ((?:.*\\\n)*.*)$", text, re.M)
    return [shlex.split(command.replace("\\\n", " ")) for command in found]


ALL_PARTS, WITH_SETTINGS = _commands(PAGE.partition("## What each")[0])


def _answers() -> dict[str, tuple[str, str, str]]:
    """Language, text and answer of each wrong step, by its heading."""
    steps = PAGE.partition("## What a wrong step answers")[2].split("\n### ")[1:]
    found = {}
    for step in steps:
        (language, text), (_, answer) = re.findall(r"```(\w+)\n(.*?)```", step, re.S)
        found[step.splitlines()[0]] = (language, text, answer.strip())
    return found


def _run(command: list[str], source: str, folder: Path) -> int:
    (folder / "mine.py").write_text(source, encoding="utf-8")
    return main([*command, *SMALL])


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MPLBACKEND", "Agg")


def test_the_file_is_short() -> None:
    assert len(MINE.splitlines()) < 60


def test_three_parts_in_one_command(tmp_path: Path) -> None:
    assert _run(ALL_PARTS, MINE, tmp_path) == 0
    results = json.loads((tmp_path / "out" / "results.json").read_text(encoding="utf-8"))
    arms = [(arm["backbone"], arm["arm"]) for arm in results["arms"]]
    assert arms == [("mybackbone", "bare"), ("mybackbone", "mrdib"), ("mybackbone", "mixup")]


def test_settings_of_the_parts(tmp_path: Path) -> None:
    assert _run([*WITH_SETTINGS, "--print-config"], MINE, tmp_path) == 0


@pytest.mark.parametrize("name", _answers())
def test_each_wrong_step_gets_its_sentence(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    language, text, answer = _answers()[name]
    source, command = MINE, ALL_PARTS
    if language == "diff":
        lines = text.splitlines()
        for old, new in zip(lines[::2], lines[1::2], strict=True):
            assert old[0] == "-" and new[0] == "+" and source.count(old[1:]) == 1
            source = source.replace(old[1:], new[1:])
    else:
        (command,) = _commands(text)
    status = _run(command, source, tmp_path)
    error = capsys.readouterr().err
    assert error.strip().splitlines()[-1] == " ".join(answer.split())
    assert status == 2
