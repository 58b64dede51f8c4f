"""A run that has ended, read back from its folder."""

from __future__ import annotations

import dataclasses
import json
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from mrdib_graph.errors import CheckpointError, DataError
from mrdib_graph.experiment import config as configuration
from mrdib_graph.experiment.arm import ArmSpec
from mrdib_graph.experiment.config import RunConfig, settings_name
from mrdib_graph.experiment.data import open_dataset
from mrdib_graph.experiment.objectives import build_recommender
from mrdib_graph.experiment.outputs import Outputs
from mrdib_graph.experiment.profiles import item_codes
from mrdib_graph.experiment.results import SCHEMA_VERSION, ArmResult, SeedResult
from mrdib_graph.recommender import Recommender
from mrdib_graph.training import checkpoint
from mrdib_graph.tuning import Trial, read_trials
from mrdib_graph.typing import Metrics, Rows


class FinishedRun:
    """Results, curves and codes of a run of the main job.

    Args:
        folder: Its output folder.
        root: Where the data set is now, if not where the run read it.

    Raises:
        DataError: There is no finished run in the folder, or its results are not readable.
    """

    def __init__(self, folder: Path, root: str | None = None) -> None:
        self.outputs = Outputs(folder, resume=True)
        self.folder = self.outputs.folder
        self.root = root
        path = self.outputs.results
        if not path.is_file():
            raise DataError(f"{folder}: the run has not ended; continue it with --resume {folder}")
        try:
            self.results: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise DataError(f"{path}: cannot be read: {error}") from error
        version = self.results.get("schema_version")
        if version != SCHEMA_VERSION:
            raise DataError(f"{path}: schema_version {version}, expected {SCHEMA_VERSION}")

    @cached_property
    def config(self) -> RunConfig:
        """What was run."""
        config = configuration.resolve([], self.outputs.config)
        return config if self.root is None else dataclasses.replace(config, root=self.root)

    @cached_property
    def arms(self) -> list[ArmResult]:
        """Results of every arm, with those of each user.

        Raises:
            DataError: ``per_user.parquet`` is absent, damaged, or lacks an arm.
        """
        import pandas as pd

        path = self.folder / "per_user.parquet"
        try:
            table = pd.read_parquet(path)
            grouped = dict(iter(table.groupby(["backbone", "arm", "seed"], sort=False)))
        except (OSError, ValueError, KeyError) as error:  # pyarrow's errors are ValueErrors
            raise DataError(f"{path}: cannot be read: {error}") from error
        found = []
        for arm in self.results["arms"]:
            late = bool(arm.get("late_fusion", False))
            result = ArmResult(arm["backbone"], arm["arm"], late_fusion=late)
            for seed in arm["seeds"]:
                key = (result.backbone, result.arm, seed["seed"])
                if key not in grouped:
                    raise DataError(f"{path}: no rows of {' '.join(map(str, key))}")
                rows = grouped[key]
                users = torch.from_numpy(rows["user"].to_numpy(copy=True))
                per_user = {m: torch.from_numpy(rows[m].to_numpy(copy=True)) for m in seed["test"]}
                result.seeds.append(SeedResult(**seed, users=users, per_user=per_user))
            found.append(result)
        return found

    @property
    def specs(self) -> list[ArmSpec]:
        """The trained arms; closed forms are none."""
        names = {settings_name(backbone): backbone for backbone in self.config.backbone}
        return [
            ArmSpec(names[arm["backbone"]], arm["arm"])
            for arm in self.results["arms"]
            if arm["arm"] != "closed-form"
        ]

    @property
    def trials(self) -> list[Trial]:
        """Trials of the search before the run; none where there was none."""
        path = self.outputs.tuning / "trials.csv"
        return read_trials(path) if path.is_file() else []

    def histories(self, spec: ArmSpec) -> list[list[Metrics]]:
        """Metrics of every epoch, one list a seed.

        Raises:
            CheckpointError: A checkpoint is missing or damaged.
        """
        return [self._checkpoint(spec, seed)["history"] for seed in self.config.seeds]

    @cached_property
    def data(self) -> HeteroData:
        """The graph that was read, read again.

        Raises:
            DataError: It is not the one of the run.
        """
        dataset = open_dataset(self.config)
        data = dataset[0]
        known = self.results["dataset"]["digest"]
        if dataset.digest != known:
            raise DataError(
                f"{self.folder}: the data set {dataset.name} has changed since the run (SHA-256 "
                f"{dataset.digest[:12]}, then {known[:12]}); give the old one with --root"
            )
        return data

    def recommender(self, spec: ArmSpec, seed: int) -> Recommender:
        """What the run trained, with the weights of its best epoch, on the CPU.

        Raises:
            CheckpointError: The checkpoint is missing, damaged, or of another version's model.
        """
        settings = self.config.settings[settings_name(spec.backbone)]
        model = build_recommender(spec.backbone, self.data, settings, spec.name)
        model.backbone.prepare(self.data)
        weights: dict[str, Tensor] = self._checkpoint(spec, seed)["best"]
        try:
            model.load_state_dict(weights)
        except RuntimeError as error:
            path = self.outputs.checkpoint(spec.label, seed)
            raise CheckpointError(f"{path}: of another model: {error}") from error
        return model

    def codes(self, spec: ArmSpec) -> Rows:
        """The items' modality codes of the first seed, [I, d] each."""
        return item_codes(self.recommender(spec, self.config.seeds[0]), self.data)

    def _checkpoint(self, spec: ArmSpec, seed: int) -> dict[str, Any]:
        return checkpoint.load(self.outputs.checkpoint(spec.label, seed))
