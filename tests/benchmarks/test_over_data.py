"""benchmarks/over_data.py: the cells are trainings, the comparisons are paired over data seeds."""

import json
from types import ModuleType
from typing import Any

import pytest
from scipy.stats import ttest_rel

ARMS = ("bare", "mrdib", "mrdib-late", "content-loss-late")
SMALL = [
    *("--backbone", "lightgcn,vbpr", "--objective", ",".join(ARMS), "--baselines", "popularity"),
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
    names += [f"lightgcn {arm}" for arm in ARMS[2:]] + [f"vbpr {arm}" for arm in ARMS]
    assert all(list(of_seed) == names for of_seed in content["results"])
    values = [of_seed["lightgcn bare"]["recall@20"] for of_seed in content["results"]]
    assert len(set(values)) == 3, "data seeds give different data"


def test_comparisons_are_paired_over_data_seeds(over_data, content) -> None:
    results = content["results"]
    table = over_data.summary(results)
    line = next(x for x in table.splitlines() if x.startswith("| vbpr mrdib-late"))
    cells = [cell.strip() for cell in line.strip("|").split("|")]
    bare, late = ([r[f"vbpr {arm}"]["recall@20"] for r in results] for arm in ("bare", ARMS[2]))
    gain = 100 * (sum(late) / sum(bare) - 1)
    assert cells[3] == f"{round(gain, 1) + 0.0:+.1f}"
    p = float(ttest_rel(late, bare).pvalue)
    assert float(cells[5].split()[0].lstrip("<")) == pytest.approx(p, abs=0.006)
    head = [x.strip() for x in table.splitlines()[0].strip("|").split("|")]
    assert head[3] == "over bare %" and head[6] == "mrdib over it %"
    assert head[9] == "mrdib-late over it %" and cells[9] == ""
