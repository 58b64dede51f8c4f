"""A trained recommender back from the folder of a finished run."""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from mrdib_graph.datasets import MultimodalDataset
from mrdib_graph.errors import CheckpointError, ConfigError, DataError
from mrdib_graph.experiment import config as configuration
from mrdib_graph.experiment.arm import ArmSpec
from mrdib_graph.experiment.config import RunConfig, settings_name
from mrdib_graph.experiment.data import open_dataset
from mrdib_graph.experiment.objectives import build_recommender
from mrdib_graph.experiment.outputs import Outputs
from mrdib_graph.experiment.report import MAIN_METRIC
from mrdib_graph.recommender import Recommender
from mrdib_graph.serving import Bundle
from mrdib_graph.training import checkpoint, resolve_device

TOLERANCE = 1e-2
"""Relative difference of tables beyond which they are of another recommender.

Another device rounds otherwise, and a learned item graph can then choose another neighbour.
"""


@dataclass
class RestoredRun:
    """One recommender of a run, with what belongs to it.

    Attributes:
        recommender: With the weights of its best epoch.
        data: The graph, on the recommender's device.
        dataset: What the graph comes from.
        bundle: The run's bundle: ids and names; its tables are those of the best recommender.
        spec: Backbone and arm.
        seed: The training seed.
    """

    recommender: Recommender
    data: HeteroData
    dataset: MultimodalDataset
    bundle: Bundle
    spec: ArmSpec
    seed: int


def restore_run(
    folder: str | Path,
    arm: str | None = None,
    seed: int | None = None,
    root: str | None = None,
    device: str = "auto",
) -> RestoredRun:
    """Build data and recommender from ``config.yaml`` and load the weights from ``checkpoints/``.

    Args:
        folder: The run's output folder.
        arm: ``'<backbone>-<name>'``; that of the bundle for None.
        seed: A training seed; the best of the arm on validation for None.
        root: Where data sets live now; as in ``config.yaml`` for None.
        device: ``'auto'``, ``'cpu'``, ``'cuda'``.

    Raises:
        ConfigError: The run has no such arm or seed, or no such device is there.
        DataError: A file of the run is missing or damaged, the data are not those of the run, or
            the recommender gives other tables than the bundle holds.
        CheckpointError: The checkpoint is missing, damaged or of another model.
    """
    folder = Path(folder)
    where = resolve_device(device)
    results = _results(folder)
    bundle = Bundle.load(folder / "bundle")
    config = configuration.resolve(
        [] if root is None else [("root", root)], _file(folder, "config.yaml")
    )
    best = f"{bundle.info.backbone}-{bundle.info.arm}"
    spec = _spec(config, arm or best)
    of_bundle = spec.label == best and seed in (None, _best_seed(results, spec))
    seed = _best_seed(results, spec) if seed is None else _known_seed(results, spec, seed)
    weights = _weights(Outputs(folder, resume=True).checkpoint(spec.label, seed))
    dataset = open_dataset(config)
    data = dataset[0]
    if dataset.digest != results["dataset"]["digest"]:
        raise DataError(
            f"{folder}: data set '{dataset.name}' is not the one of this run (another SHA-256): "
            "bring back the files that it was trained on"
        )
    settings = config.settings[settings_name(spec.backbone)]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        recommender = build_recommender(spec.backbone, data, settings, spec.name)
    data = recommender.backbone.prepare(data)
    try:
        recommender.load_state_dict(weights)
    except RuntimeError as error:
        raise CheckpointError(
            f"{folder}: the checkpoint of {spec.label}, seed {seed}, is of another model than "
            f"config.yaml describes: {error}"
        ) from error
    recommender, data = recommender.to(where).eval(), data.to(where)
    if of_bundle:
        _compare(recommender.tables(data), bundle, folder)
    return RestoredRun(recommender, data, dataset, bundle, spec, seed)


def _file(folder: Path, name: str) -> Path:
    path = folder / name
    if not path.is_file():
        there = "" if folder.is_dir() else ", nor such a folder"
        raise DataError(
            f"{folder}: there is no {name}{there}; give the output folder of a finished run. One "
            "that was interrupted goes on with  mrdib-graph run --resume "
            f"{shlex.quote(str(folder))}"
        )
    return path


def _results(folder: Path) -> dict[str, Any]:
    _file(folder, "config.yaml")
    path = _file(folder, "results.json")
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        for arm in content["arms"]:
            _ = arm["backbone"], arm["arm"], [s["val"] for s in arm["seeds"]]
        _ = content["dataset"]["digest"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path}: not the results of a run: {error!r}") from error
    found: dict[str, Any] = content
    return found


def _spec(config: RunConfig, label: str) -> ArmSpec:
    specs = [ArmSpec(b, objective) for b in config.backbone for objective in config.arms]
    for spec in specs:
        if spec.label == label:
            return spec
    raise ConfigError(
        f"arm: got '{label}', expected one of the run's: {', '.join(s.label for s in specs)}"
    )


def _seeds(results: dict[str, Any], spec: ArmSpec) -> dict[int, float]:
    """Seed to validation value, in the order of the run."""
    for arm in results["arms"]:
        if f"{arm['backbone']}-{arm['arm']}" == spec.label:
            return {int(s["seed"]): float(s["val"][MAIN_METRIC]) for s in arm["seeds"]}
    raise ConfigError(f"arm: '{spec.label}' is not among the results of the run; it was left out")


def _best_seed(results: dict[str, Any], spec: ArmSpec) -> int:
    values = _seeds(results, spec)
    return max(values, key=lambda seed: values[seed])  # the first of equals, as in a run


def _known_seed(results: dict[str, Any], spec: ArmSpec, seed: int) -> int:
    known = list(_seeds(results, spec))
    if seed not in known:
        raise ConfigError(f"seed: got {seed}, expected one of {', '.join(map(str, known))}")
    return seed


def _weights(path: Path) -> dict[str, Tensor]:
    best: dict[str, Tensor] = checkpoint.load(path).get("best", {})
    if not best:
        raise CheckpointError(f"{path}: holds no best epoch; continue the run with --resume")
    return best


def _compare(tables: tuple[Tensor, Tensor], bundle: Bundle, folder: Path) -> None:
    for name, mine, stored in zip(
        ("user", "item"), tables, (bundle.user_table, bundle.item_table), strict=True
    ):
        mine = mine.cpu()
        if mine.shape != stored.shape:
            differ = f"shape {tuple(mine.shape)}, not {tuple(stored.shape)}"
        else:
            relative = float((mine - stored).norm() / stored.norm().clamp_min(1e-30))
            if relative <= TOLERANCE:
                continue
            differ = f"{100 * relative:.1f} % off"
        raise DataError(
            f"{folder}: the {name} table made from checkpoints/ is not that of bundle/ ({differ}): "
            "a checkpoint, config.yaml or the code of the backbone was changed since the run"
        )
