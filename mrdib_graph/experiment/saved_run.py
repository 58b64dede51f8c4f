"""A run read back from its folder: results, curves, data and trained recommenders."""

from __future__ import annotations

import dataclasses
import json
import shlex
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from mrdib_graph.datasets import MultimodalDataset
from mrdib_graph.errors import CheckpointError, ConfigError, DataError
from mrdib_graph.experiment import config as configuration
from mrdib_graph.experiment import old_schema
from mrdib_graph.experiment.arms import Arm, build_arms
from mrdib_graph.experiment.config import RunConfig
from mrdib_graph.experiment.outputs import Outputs
from mrdib_graph.experiment.profiles import item_codes
from mrdib_graph.experiment.recommenders import build_recommender
from mrdib_graph.experiment.report import MAIN_METRIC
from mrdib_graph.experiment.results import ArmResult, SeedResult
from mrdib_graph.experiment.run_dataset import open_dataset
from mrdib_graph.recommender import Recommender
from mrdib_graph.serving import Bundle
from mrdib_graph.training import checkpoint
from mrdib_graph.training.device import resolve_device
from mrdib_graph.tuning import Trial, read_trials
from mrdib_graph.typing import Metrics, Rows

TOLERANCE = 1e-2
"""Relative difference of tables beyond which they are of another recommender.

Another device rounds otherwise, and a learned item graph can then choose another neighbour.
"""

MAY_CHANGE = (
    *("root", "out", "tracking_uri", "mlflow", "quiet", "profile", "baselines"),
    *("backbone", "arms", "seeds"),
)
"""Keys of :class:`RunConfig` that a resumed run may have otherwise: what runs beside, not how."""


@dataclass(frozen=True)
class RestoredArm:
    """One recommender of a run.

    Attributes:
        arm: Its arm.
        seed: Its training seed.
        recommender: With the weights of its best epoch, in eval mode.
        data: The graph, on the recommender's device.
    """

    arm: Arm
    seed: int
    recommender: Recommender
    data: HeteroData


class SavedRun:
    """The folder of a run; each part is read when it is asked for.

    Args:
        folder: The run's output folder.
        root: Where data sets live now; as in ``config.yaml`` for None.

    Raises:
        DataError: There is no run in the folder.
    """

    def __init__(self, folder: str | Path, root: str | None = None) -> None:
        folder = Path(folder)
        if not (folder / "config.yaml").is_file():
            there = "" if folder.is_dir() else ", nor such a folder"
            raise DataError(
                f"{folder}: there is no config.yaml{there}; give the output folder of a run"
            )
        self.outputs = Outputs(folder, resume=True)
        self.folder = self.outputs.folder
        self.root = root

    @cached_property
    def config(self) -> RunConfig:
        """What was run."""
        config = configuration.resolve([], self.outputs.config)
        return config if self.root is None else dataclasses.replace(config, root=self.root)

    @cached_property
    def results(self) -> dict[str, Any]:
        """The content of ``results.json``.

        Raises:
            DataError: The run has not ended, or the file is not readable.
        """
        path = self.outputs.results
        if not path.is_file():
            raise DataError(
                f"{self.folder}: there is no results.json, so the run has not ended; continue it "
                f"with  mrdib-graph run --resume {shlex.quote(str(self.folder))}"
            )
        try:
            content = old_schema.results(json.loads(path.read_text(encoding="utf-8")))
            for arm in content["arms"]:
                _ = arm["backbone"], arm["arm"], [s["val"][MAIN_METRIC] for s in arm["seeds"]]
            _ = content["dataset"]["digest"]
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise DataError(f"{path}: not the results of a run: {error!r}") from error
        except DataError as error:
            raise DataError(f"{path}: {error}") from error
        return content

    @cached_property
    def results_of_arms(self) -> list[ArmResult]:
        """Results of every arm, with those of each user.

        Raises:
            DataError: ``per_user.parquet`` is absent, damaged, or lacks an arm.
        """
        import pandas as pd

        path = self.outputs.per_user
        try:
            columns: dict[Any, Any] = dict(pd.read_parquet(path).items())
            table = pd.DataFrame(old_schema.per_user(columns))
            grouped: dict[Any, Any] = {}
            grouped |= iter(table.groupby(["backbone", "arm", "seed"], sort=False))
        except (OSError, ValueError, KeyError) as error:  # pyarrow's errors are ValueErrors
            raise DataError(f"{path}: cannot be read: {error}") from error
        found, of_set = [], self.results.get("set_metrics", [])
        for arm in self.results["arms"]:
            shared = {key: arm[key] for key in ("late_fusion", "partner", "is_control")}
            result = ArmResult(arm["backbone"], arm["arm"], **shared)
            for seed in arm["seeds"]:
                key = (result.backbone, result.arm, seed["seed"])
                if key not in grouped:
                    raise DataError(f"{path}: no rows of {' '.join(map(str, key))}")
                rows = grouped[key]
                users = torch.from_numpy(rows["user"].to_numpy(copy=True))
                names = [m for m in seed["test"] if m not in of_set]
                per_user = {m: torch.from_numpy(rows[m].to_numpy(copy=True)) for m in names}
                result.seeds.append(SeedResult(**seed, users=users, per_user=per_user))
            found.append(result)
        return found

    @cached_property
    def arms(self) -> list[Arm]:
        """The arms that were trained; closed forms are none."""
        trained = [f"{arm['backbone']}-{arm['arm']}" for arm in self.results["arms"]]
        return [arm for arm in build_arms(self.config) if arm.label in trained]

    @property
    def trials(self) -> list[Trial]:
        """Trials of the search before the run; none where there was none."""
        path = self.outputs.tuning / "trials.csv"
        return read_trials(path) if path.is_file() else []

    @cached_property
    def bundle(self) -> Bundle:
        """Ids, names and the tables of the best recommender."""
        return Bundle.load(self.outputs.bundle)

    @cached_property
    def dataset(self) -> MultimodalDataset:
        """What the graph comes from."""
        return open_dataset(self.config)

    @cached_property
    def data(self) -> HeteroData:
        """The graph that was read, read again.

        Raises:
            DataError: It is not the one of the run.
        """
        data = self.dataset[0]
        self.check_data(self.dataset.digest)
        return data

    def check_data(self, digest: str) -> None:
        """Refuse other data than those of the run.

        Raises:
            DataError: The digest is another one.
        """
        path = self.outputs.dataset  # runs of version 1 have the results alone
        if path.is_file():
            known = json.loads(path.read_text(encoding="utf-8"))
        else:
            known = self.results["dataset"] if self.outputs.results.is_file() else {}
        if known.get("digest", digest) != digest:
            raise DataError(
                f"{self.folder}: the data set '{known['name']}' is not the one of this run "
                f"(SHA-256 {digest[:12]}, then {known['digest'][:12]}): bring back the files that "
                "it was trained on, or say where they are with --root"
            )

    def check_settings(self, config: RunConfig) -> None:
        """Refuse to go on with settings under which what is there was not trained.

        Raises:
            ConfigError: A setting was changed; the message has its name and both values.
        """
        both = self.config.settings.keys() & config.settings.keys()
        free = {name: self.config.settings[name].trainer.may_change for name in both}
        before, now = (dict(_flat(_fixed(c, free))) for c in (self.config, config))
        for key in dict.fromkeys([*before, *now]):
            if before.get(key) != now.get(key):
                raise ConfigError(
                    f"--resume {self.folder}: {key} was {before.get(key)!r} when the run began and "
                    f"is {now.get(key)!r} now; leave it as it was, or start a run of its own"
                )

    def histories(self, arm: Arm) -> list[list[Metrics]]:
        """Metrics of every epoch, one list a seed.

        Raises:
            CheckpointError: A checkpoint is missing or damaged.
        """
        files = [self.outputs.checkpoint(arm.label, seed) for seed in self.config.seeds]
        return [checkpoint.load(path)["history"] for path in files]

    def codes(self, arm: Arm) -> Rows:
        """The items' modality codes of the first seed, [I, d] each."""
        restored = self.restore(arm.label, self.config.seeds[0], "cpu")
        return item_codes(restored.recommender, restored.data)

    def restore(
        self, label: str | None = None, seed: int | None = None, device: str = "auto"
    ) -> RestoredArm:
        """Build a recommender from ``config.yaml`` and load its weights from ``checkpoints/``.

        Args:
            label: ``'<backbone>-<arm>'``; that of the bundle for None.
            seed: A training seed; the best of the arm on validation for None.
            device: ``'auto'``, ``'cpu'``, ``'cuda'``.

        Raises:
            ConfigError: The run has no such arm or seed, or no such device is there.
            DataError: A file of the run is missing or damaged, the data are not those of the run,
                or the recommender gives other tables than the bundle holds.
            CheckpointError: The checkpoint is missing, damaged or of another model.
        """
        where, bundle = resolve_device(device), self.bundle
        best = f"{bundle.info.backbone}-{bundle.info.arm}"
        arm = self._arm(label or best)
        values = self._validation(arm)
        best_seed = max(values, key=lambda seed: values[seed])  # the first of equals, as in a run
        seed = best_seed if seed is None else seed
        if seed not in values:
            raise ConfigError(f"seed: got {seed}, expected one of {', '.join(map(str, values))}")
        weights = self._weights(arm, seed)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            recommender = build_recommender(arm, self.data)
        data = recommender.backbone.prepare(self.data)
        try:
            recommender.load_state_dict(weights)
        except RuntimeError as error:
            raise CheckpointError(
                f"{self.outputs.checkpoint(arm.label, seed)}: of another model than config.yaml "
                f"describes: {error}"
            ) from error
        recommender, data = recommender.to(where).eval(), data.to(where)
        if (arm.label, seed) == (best, best_seed):
            self._compare(recommender.tables(data))
        return RestoredArm(arm, seed, recommender, data)

    def _arm(self, label: str) -> Arm:
        arms = build_arms(self.config)
        for arm in arms:
            if arm.label == label:
                return arm
        raise ConfigError(
            f"arm: got '{label}', expected one of the run's: {', '.join(a.label for a in arms)}"
        )

    def _validation(self, arm: Arm) -> dict[int, float]:
        """Seed to validation value, in the order of the run."""
        for found in self.results["arms"]:
            if (found["backbone"], found["arm"]) == (arm.backbone_name, arm.name):
                return {int(s["seed"]): float(s["val"][MAIN_METRIC]) for s in found["seeds"]}
        raise ConfigError(
            f"arm: '{arm.label}' is not among the results of the run; it was left out"
        )

    def _weights(self, arm: Arm, seed: int) -> dict[str, Tensor]:
        path = self.outputs.checkpoint(arm.label, seed)
        best: dict[str, Tensor] = checkpoint.load(path).get("best", {})
        if not best:
            raise CheckpointError(f"{path}: holds no best epoch; continue the run with --resume")
        return best

    def _compare(self, tables: tuple[Tensor, Tensor]) -> None:
        """Refuse tables that are not those of the bundle."""
        stored = (self.bundle.user_table, self.bundle.item_table)
        for name, mine, kept in zip(("user", "item"), tables, stored, strict=True):
            mine = mine.cpu()
            if mine.shape != kept.shape:
                differ = f"shape {tuple(mine.shape)}, not {tuple(kept.shape)}"
            else:
                relative = float((mine - kept).norm() / kept.norm().clamp_min(1e-30))
                if relative <= TOLERANCE:
                    continue
                differ = f"{100 * relative:.1f} % off"
            raise DataError(
                f"{self.folder}: the {name} table made from checkpoints/ is not that of bundle/ "
                f"({differ}): a checkpoint, config.yaml or the code of the backbone was changed "
                "since the run"
            )


def _fixed(config: RunConfig, free: Mapping[str, Collection[str]]) -> dict[str, Any]:
    """What must stay as it is over a resume."""
    content = {k: v for k, v in configuration.plain(config).items() if k not in MAY_CHANGE}
    content["settings"] = {name: content["settings"][name] for name in free}
    for name, settings in content["settings"].items():
        for key in free[name]:
            del settings["trainer"][key]
    return content


def _flat(content: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in content.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value
