"""benchmarks/over_data.py: the cells are trainings, the comparisons are paired over data seeds."""

import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from mrdib_graph.errors import ConfigError
from mrdib_graph.evaluation import Evaluator
from mrdib_graph.experiment import build_arm, open_dataset, train_arm
from mrdib_graph.experiment.config import RunConfig

ARMS = ("bare", "mrdib", "mrdib-late", "content-loss-late")
SMALL = [
    *("--backbone", "lightgcn,vbpr", "--arms", ",".join(ARMS), "--baselines", "popularity"),
    *("--no-mlflow", "--quiet", "--epochs", "2", "--embedding-dim", "8", "--data-seeds", "1,2,3"),
    *("--set", "dataset_options.num_users=60", "--set", "dataset_options.num_items=50"),
    *("--set", "dataset_options.num_interactions=700"),
]


@pytest.fixture(scope="module")
def over_data(load_job) -> ModuleType:
    return load_job("over_data")


@pytest.fixture(scope="module")
def content(over_data: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    out = tmp_path_factory.mktemp("over_data") / "out.json"
    over_data.main([*SMALL, "--out", str(out)])
    found: dict[str, Any] = json.loads(out.read_text())
    return found


def test_every_arm_that_a_backbone_can_have_is_trained_on_every_data_set(content) -> None:
    assert content["data_seeds"] == [1, 2, 3]
    names = ["popularity closed-form", "lightgcn bare"]
    late = [*ARMS[2:], "bare-late"]  # the partner is added
    names += [f"lightgcn {arm}" for arm in late] + [f"vbpr {arm}" for arm in (*ARMS[:2], *late)]
    assert all(list(of_seed) == names for of_seed in content["results"])
    values = [of_seed["lightgcn bare"]["recall@20"] for of_seed in content["results"]]
    assert len(set(values)) == 3, "data seeds give different data"


def test_a_cell_is_the_test_of_that_training(over_data, main_job, content) -> None:
    flags = SMALL[: SMALL.index("--data-seeds")] + SMALL[SMALL.index("--data-seeds") + 2 :]
    flags += ["--seeds", "2", "--set", "dataset_options.seed=2"]
    config = main_job.read_config(main_job.build_parser().parse_args(flags))
    data = open_dataset(config)[0]
    arm = train_arm(build_arm(config.settings["vbpr"], "vbpr", "mrdib"), 2, data, Evaluator(data))
    assert content["results"][1]["vbpr mrdib"] == arm.fit.test != arm.fit.val


def test_what_was_done_before_a_failure_is_kept(
    over_data, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def run_seed(config: RunConfig, seed: int) -> dict[str, dict[str, float]]:
        if seed == 3:
            raise KeyboardInterrupt
        return {"vbpr bare": {"recall@20": 0.1 * seed, "ndcg@20": 0.1}}

    monkeypatch.setattr(over_data, "run_seed", run_seed)
    out = tmp_path / "new" / "out.json"
    with pytest.raises(KeyboardInterrupt):
        over_data.main([*SMALL, "--out", str(out)])
    found = json.loads(out.read_text(encoding="utf-8"))
    assert found["data_seeds"] == [1, 2] and len(found["results"]) == 2


@pytest.mark.parametrize("flag", ["--print-config", "--tune=3", "--resume=runs/a"])
def test_what_only_the_main_job_does_is_refused(over_data, flag: str) -> None:
    with pytest.raises(ConfigError, match=f"unknown flag {flag.partition('=')[0]}"):
        over_data.main([*SMALL, flag])


@pytest.mark.parametrize("seeds", ["1,x", "1,1", "1,1.5"])
def test_wrong_seeds_are_named(over_data, seeds: str) -> None:
    with pytest.raises(ConfigError, match=f"--data-seeds: got '{seeds}'"):
        over_data.main([*SMALL, "--data-seeds", seeds])
