"""Places of a study: exactly as many as asked for, whoever runs, stops or is killed."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from mrdib_graph.errors import ConfigError, MissingExtraError, TrainingError
from mrdib_graph.tuning import ArmStudy, Choice, Outcome, Range
from mrdib_graph.tuning import study as module
from mrdib_graph.tuning.study import sqlite_path, storage_url

SPACE = {"x": Range(0.01, 1.0, zero=True), "y": Range(0.0, 1.0, log=False), "z": Choice(("a", "b"))}

try:
    import optuna  # noqa: F401
except ImportError:
    optuna_is_absent = True
else:
    optuna_is_absent = False
with_optuna = pytest.mark.skipif(optuna_is_absent, reason="optuna (the extra 'tune') is absent")


@pytest.fixture
def url(tmp_path: Path) -> str:
    return storage_url(str(tmp_path / "deep" / "study.db"))


def value(_: int, settings: dict[str, Any]) -> Outcome:
    return Outcome(-((settings["x"] - 0.5) ** 2) - (settings["y"] - 0.5) ** 2, (3,), 0.5)


def opened(url: str, trials: int = 4, **options: Any) -> ArmStudy:
    given = {"name": "vbpr-mrdib", "seed": 1, "made_with": "this"} | options
    return ArmStudy(url, space=SPACE, trials=trials, **given)


def test_addresses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert storage_url("a.db") == f"sqlite:///{tmp_path}/a.db"
    assert sqlite_path(storage_url("a.db")) == tmp_path / "a.db"
    assert storage_url("postgresql://h/d") == "postgresql://h/d"
    assert sqlite_path("postgresql://h/d") is None


def test_without_optuna_one_line_says_what_to_install(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(MissingExtraError, match=r"--tune needs.*'optuna'.*mrdib-graph\[tune\]"):
        opened(url)


@with_optuna
def test_every_place_is_run_once_and_the_first_starts_where_told(url: str) -> None:
    seen: list[int] = []

    def counted(place: int, settings: dict[str, Any]) -> Outcome:
        seen.append(place)
        return value(place, settings)

    start = {"x": 0.0, "y": 0.25, "z": "b", "other": 1}
    study = opened(url, start=start)
    study.complete(counted)
    assert seen == [0, 1, 2, 3]
    results = study.results()
    assert results[0] == ({"x": 0.0, "y": 0.25, "z": "b"}, Outcome(-0.3125, (3,), 0.5))
    assert len({str(settings) for settings, _ in results}) == 4
    study.complete(counted)  # nothing is left to do
    assert len(seen) == 4


@with_optuna
def test_a_stopped_study_goes_on_as_if_it_had_not_been(url: str, tmp_path: Path) -> None:
    whole = opened(storage_url(str(tmp_path / "whole.db")), trials=5, start={"x": 0.5})
    whole.complete(value)
    calls = 0

    def stopped(place: int, settings: dict[str, Any]) -> Outcome:
        nonlocal calls
        calls += 1
        if calls in (1, 4):
            raise KeyboardInterrupt
        return value(place, settings)

    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            opened(url, trials=5, start={"x": 0.5}).complete(stopped)
    again = opened(url, trials=5, start={"x": 0.5})
    assert len(again.results()) == 2
    again.complete(value)
    assert again.results() == whole.results()


@with_optuna
def test_arms_begin_alike_and_more_trials_can_follow(url: str) -> None:
    first, second = opened(url, trials=3), opened(url, trials=2, name="vbpr-bare")
    first.complete(value)
    second.complete(value)
    assert second.results() == first.results()[:2]
    opened(url, trials=5).complete(value)
    assert opened(url, trials=2).results() == first.results()[:2]
    assert len(opened(url, trials=5).results()) == 5
    other = opened(url, trials=2, name="another", seed=2)
    other.complete(value)
    assert other.results() != second.results()


@with_optuna
def test_a_diverged_trial_counts(url: str) -> None:
    def diverges(place: int, settings: dict[str, Any]) -> Outcome:
        if place == 1:
            raise TrainingError("the loss is not finite")
        return value(place, settings)

    study = opened(url, trials=3)
    study.complete(diverges)
    outcomes = [outcome for _, outcome in study.results()]
    assert outcomes[1] is None and None not in (outcomes[0], outcomes[2])


@with_optuna
def test_another_error_ends_the_work_and_frees_the_place(url: str) -> None:
    def broken(place: int, settings: dict[str, Any]) -> Outcome:
        raise ConfigError("option is wrong")

    with pytest.raises(ConfigError, match="option is wrong"):
        opened(url).complete(broken)
    assert opened(url).results() == []


@with_optuna
def test_two_threads_share_the_places(url: str) -> None:
    seen: list[int] = []

    def slow(place: int, settings: dict[str, Any]) -> Outcome:
        seen.append(place)
        time.sleep(0.05)
        return value(place, settings)

    studies = [opened(url, trials=6) for _ in range(2)]
    threads = [threading.Thread(target=study.complete, args=(slow, print)) for study in studies]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(seen) == [0, 1, 2, 3, 4, 5]
    results = studies[0].results()
    assert len(results) == 6 and len({str(settings) for settings, _ in results}) == 6


KILLED = """
import sys, time
from mrdib_graph.tuning import ArmStudy, Outcome, Range, study
study.HEARTBEAT_SECONDS, study.SILENCE_SECONDS = 1, 2
def forever(place, settings):
    print("running", flush=True)
    time.sleep(600)
ArmStudy(sys.argv[1], "vbpr-mrdib", {"x": Range(0.01, 1.0)}, 2, 1, "this").complete(forever)
"""


@pytest.mark.slow
@with_optuna
def test_a_killed_process_gives_its_place_back(
    url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", KILLED, url], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "running\n"
        time.sleep(0.5)  # its first sign of life is written
        os.kill(process.pid, signal.SIGKILL)
    monkeypatch.setattr(module, "HEARTBEAT_SECONDS", 1)
    monkeypatch.setattr(module, "SILENCE_SECONDS", 2)
    monkeypatch.setattr(module, "POLL_SECONDS", 0.2)
    study = ArmStudy(url, "vbpr-mrdib", {"x": Range(0.01, 1.0)}, 2, 1, "this")
    study.complete(lambda _, settings: Outcome(settings["x"]))
    assert [outcome is not None for _, outcome in study.results()] == [True, True]
    assert "waiting for 1 trials of other processes" in capsys.readouterr().out


@with_optuna
def test_a_storage_of_something_else_is_refused(url: str, tmp_path: Path) -> None:
    opened(url).work(value)
    with pytest.raises(ConfigError, match="'vbpr-mrdib' there was made with other data"):
        opened(url, made_with="that")
    with pytest.raises(ConfigError, match="tune_storage 'nonsense://x': cannot be opened"):
        opened("nonsense://x")
    (tmp_path / "text.db").write_text("no database, but long enough to be read as one" * 9)
    with pytest.raises(ConfigError, match="text.db.*cannot be opened"):
        opened(storage_url(str(tmp_path / "text.db")))


@with_optuna
def test_optuna_is_as_quiet_after_as_before(url: str) -> None:
    import optuna

    optuna.logging.set_verbosity(optuna.logging.INFO)
    opened(url).complete(value)
    assert optuna.logging.get_verbosity() == optuna.logging.INFO
