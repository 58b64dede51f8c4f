"""The files of a run's output folder."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from mrdib_graph.atomic_file import new_file, write_text
from mrdib_graph.errors import ConfigError, DataError
from mrdib_graph.experiment import config as configuration
from mrdib_graph.experiment.config import RunConfig, settings_name
from mrdib_graph.experiment.results import ArmResult


class Outputs:
    """Names and writers of everything under the output folder.

    Args:
        folder: The folder; :meth:`create` makes it, once the data are known to be good.
        resume: Whether it must exist already.
        tuned: Whether it may hold a search for settings, and no run yet.

    Attributes:
        config: The resolved configuration.
        dataset: What the data were when the run began.
        results: All results.
        per_user: Every test user's metrics.
        report: The report in Markdown.
        figures: Folder of pictures.
        bundle: Folder of the tables of the best recommender.
        tuning: Folder of a search for settings.
        database: MLflow's database, unless another address is given.
        outbox: Where events wait that the tracking server did not take yet.

    Raises:
        ConfigError: A fresh run in a folder that holds one, or a resume where there is none.
    """

    def __init__(self, folder: Path, resume: bool = False, tuned: bool = False) -> None:
        self.folder = folder.absolute()
        self.resume = resume
        self.tuned = tuned
        self.config = self.folder / "config.yaml"
        self.dataset = self.folder / "dataset.json"
        self.results = self.folder / "results.json"
        self.per_user = self.folder / "per_user.parquet"
        self.report = self.folder / "report.md"
        self.figures = self.folder / "figures"
        self.bundle = self.folder / "bundle"
        self.tuning = self.folder / "tuning"
        self.database = self.folder / "mlflow.db"
        self.outbox = self.folder / "mlflow-outbox"
        if resume and not self.config.is_file():
            raise ConfigError(f"--resume {folder}: no run there (no config.yaml)")
        self._check_empty()

    def create(self) -> None:
        """Make the folder.

        Raises:
            ConfigError: Another run took the folder meanwhile.
            DataError: It cannot be written.
        """
        self._check_empty()
        try:
            self.figures.mkdir(parents=True, exist_ok=self.resume)
        except FileExistsError as error:
            raise ConfigError(f"--out {self.folder}: another run took the folder") from error
        except OSError as error:
            raise DataError(f"--out {self.folder}: cannot be written: {error}") from error

    @contextmanager
    def only_one(self) -> Iterator[None]:
        """Keep other processes from the folder, as a second ``--resume`` of a run that is at work.

        Raises:
            ConfigError: Another one is at work there.
        """
        lock = FileLock(self.folder / ".lock")
        try:
            lock.acquire(timeout=0)
        except Timeout as error:
            raise ConfigError(
                f"--out {self.folder}: another process is at work there; wait for its end"
            ) from error
        try:
            yield
        finally:
            lock.release()

    def _check_empty(self) -> None:
        if self.resume or not self.folder.exists():
            return
        if not self.folder.is_dir():
            raise ConfigError(f"--out {self.folder}: expected a folder, found a file")
        if self.tuned and self.tuning.is_dir() and not self.config.exists():
            return
        if any(self.folder.iterdir()):
            raise ConfigError(
                f"--out {self.folder}: the folder is not empty; choose another, or continue the "
                f"run there with --resume {self.folder}"
            )

    def checkpoint(self, label: str, seed: int) -> Path:
        """Checkpoint of one arm and seed."""
        return self.folder / "checkpoints" / f"{label}-seed{seed}.ckpt"

    def write_config(self, config: RunConfig) -> None:
        """Write the resolved configuration: running it again gives the same numbers."""
        write_text(self.config, configuration.dump(config))

    def write_json(self, path: Path, content: Mapping[str, Any]) -> None:
        """Write a file of the run; a number that does not exist, a gain over 0, is null."""
        write_text(path, json.dumps(_finite(content), indent=2, allow_nan=False) + "\n")

    def write_per_user(self, arms: list[ArmResult]) -> None:
        """Write ``per_user.parquet``: user, backbone, arm, seed and every metric."""
        import pandas as pd

        frames = []
        for arm in arms:
            for seed in arm.seeds:
                columns: dict[str, Any] = {"user": seed.users.numpy()}
                columns |= {"backbone": arm.backbone, "arm": arm.arm}
                columns |= {"seed": seed.seed}
                columns |= {name: v.numpy() for name, v in seed.per_user.items()}
                frames.append(pd.DataFrame(columns))
        with new_file(self.per_user) as temporary:
            pd.concat(frames, ignore_index=True).to_parquet(temporary, index=False)


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _finite(v) for key, v in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(v) for v in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def default_folder(config: RunConfig) -> Path:
    """``runs/<time>-<dataset>-<backbone>``, not there yet."""
    names = "-".join(settings_name(b) for b in config.backbone[:3])
    stem = f"{time.strftime('%Y%m%d-%H%M%S')}-{Path(config.dataset).name}-{names}"
    folder, copy = Path("runs") / stem, 1
    while folder.exists():
        copy += 1
        folder = Path("runs") / f"{stem}-{copy}"
    return folder
