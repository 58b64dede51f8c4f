"""The trials of a search or a grid as a table."""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mrdib_graph.errors import DataError

COLUMNS = ("backbone", "arm", "trial", "state", "metric", "value", "best_epochs", "seconds")


@dataclass(frozen=True)
class Trial:
    """One point of a search.

    Args:
        backbone: Name of the backbone.
        arm: Its arm.
        trial: Number among the arm's trials, from 0.
        metric: Validation metric that is searched for.
        value: Its mean over seeds; None where training had to stop.
        settings: What was tried.
        best_epochs: Best epoch of each seed, counted from 0.
        seconds: Of training.
    """

    backbone: str
    arm: str
    trial: int
    metric: str
    value: float | None
    settings: dict[str, Any] = field(default_factory=dict)
    best_epochs: tuple[int, ...] = ()
    seconds: float = 0.0


def write_trials(path: Path, trials: Sequence[Trial]) -> None:
    """Write a table: :data:`COLUMNS`, then a column for each setting, empty where not tried.

    Raises:
        DataError: The file cannot be written.
    """
    keys = list(dict.fromkeys(key for trial in trials for key in trial.settings))
    try:
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow([*COLUMNS, *keys])
            for t in trials:
                fixed = [t.backbone, t.arm, t.trial, "failed" if t.value is None else "done"]
                fixed += [t.metric, "" if t.value is None else repr(t.value)]
                fixed += [" ".join(map(str, t.best_epochs)), f"{t.seconds:.1f}"]
                writer.writerow([*fixed, *(_text(t.settings.get(key, "")) for key in keys)])
    except OSError as error:
        raise DataError(f"{path}: cannot be written: {error}") from error


def read_trials(path: Path) -> list[Trial]:
    """Read a table that :func:`write_trials` wrote.

    Raises:
        DataError: The file cannot be read, or a column or number is missing.
    """
    try:
        with path.open(newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file)
            missing = [name for name in COLUMNS if name not in (reader.fieldnames or ())]
            if missing:
                raise DataError(f"{path}: no column '{missing[0]}'; expected a table of trials")
            return [_trial(row, f"{path}, line {reader.line_num}") for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: cannot be read: {error}") from error


def numeric_points(
    trials: Sequence[Trial], backbone: str, arm: str
) -> dict[str, list[tuple[float, float]]]:
    """Setting to pairs of its value and the metric, weights of the method first.

    Settings that are no numbers, or that have one value only, are left out.
    """
    found: dict[str, list[tuple[float, float]]] = {}
    for trial in trials:
        if (trial.backbone, trial.arm) != (backbone, arm) or trial.value is None:
            continue
        for key, value in trial.settings.items():
            if isinstance(value, int | float) and not isinstance(value, bool):
                found.setdefault(key, []).append((float(value), trial.value))
    several = {key: pairs for key, pairs in found.items() if len({v for v, _ in pairs}) > 1}
    return dict(sorted(several.items(), key=lambda item: not item[0].startswith("alpha_")))


def best_trial(trials: Sequence[Trial]) -> Trial | None:
    """The first trial with the highest value; None where every one failed."""
    done = [trial for trial in trials if trial.value is not None]
    return max(done, key=lambda t: t.value or 0.0) if done else None


def _trial(row: dict[str, str], where: str) -> Trial:
    if None in row or None in row.values():  # DictReader's marks of too many and too few
        raise DataError(f"{where}: the line does not fit the head")
    try:
        value = float(row["value"]) if row["value"] else None
        number, seconds = int(row["trial"]), float(row["seconds"])
        epochs = tuple(map(int, row["best_epochs"].split()))
    except ValueError as error:
        raise DataError(f"{where}: {error}") from error
    if value is not None and not math.isfinite(value):
        raise DataError(f"{where}: value: got {value}, expected a finite number")
    settings = {k: _plain(v) for k, v in row.items() if k not in COLUMNS and v != ""}
    return Trial(
        row["backbone"], row["arm"], number, row["metric"], value, settings, epochs, seconds
    )


def _text(value: object) -> str:
    return (
        "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
    )


def _plain(text: str) -> Any:
    if text in ("null", "true", "false"):
        return {"null": None, "true": True, "false": False}[text]
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
