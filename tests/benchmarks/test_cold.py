"""The cold-item protocol: every number is the ranking that it says."""

import contextlib
import io
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch

from mrdib_graph import graph
from mrdib_graph.baselines import ContentCosine
from mrdib_graph.errors import ConfigError
from mrdib_graph.evaluation import Evaluator, slice_metrics
from mrdib_graph.experiment import build_arm, open_dataset, train_arm
from mrdib_graph.transforms import SplitInteractions

SCRIPT = Path(__file__).resolve().parents[2] / "benchmarks" / "cold.py"
ROWS = [
    *("popularity closed-form", "image-cosine", "text-cosine", "content-cosine"),
    *("vbpr bare", "vbpr bare content-only", "vbpr mrdib", "vbpr mrdib content-only"),
    *("vbpr bare-late", "vbpr bare-late content-only"),  # the partner of the stored arm mrdib
    "lightgcn bare",
]


@pytest.fixture(scope="module")
def cold(load_job) -> ModuleType:
    return load_job("cold")


def run(job: ModuleType, *flags: str) -> str:
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        job.main(list(flags))
    return out.getvalue()


@pytest.fixture(scope="module")
def flags(tiny_flags: list[str]) -> list[str]:
    more = ["--backbone", "vbpr,lightgcn", "--arms", "bare,mrdib", "--cold-share", "0.6"]
    return [*tiny_flags, *more, "--baselines", "popularity"]


@pytest.fixture(scope="module")
def done(
    cold: ModuleType, flags: list[str], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, str]:
    path = tmp_path_factory.mktemp("cold") / "result.json"
    return path, run(cold, *flags, "--split-seeds", "5,6", "--out", str(path))


def test_every_row_of_every_ranking(done: tuple[Path, str]) -> None:
    path, out = done
    content = json.loads(path.read_text(encoding="utf-8"))
    assert content["split_seeds"] == [5, 6]
    rankings = ["cold among cold", "cold among all", "warm among all"]
    for result in content["results"]:
        assert list(result) == ROWS
        for metrics in result.values():
            assert list(metrics) == [f"{r} {m}" for r in rankings for m in ("recall@20", "ndcg@20")]
    titles = [line for line in out.splitlines() if " ranked among " in line]
    assert [title.split()[0] for title in titles] == ["Cold", "Cold", "Warm"]
    values = [r["vbpr mrdib"]["cold among all recall@20"] for r in content["results"]]
    assert f"| vbpr mrdib | {sum(values) / 2:.4f} ±" in " ".join(out.split())


@pytest.fixture(scope="module")
def data(main_job: ModuleType, flags: list[str]):
    """The configuration and the split graph of seed 5."""
    plain = flags[: flags.index("--cold-share")]
    more = ["--seeds", "5", "--set", "dataset_options.seed=5"]
    config = main_job.read_config(main_job.build_parser().parse_args([*plain, *more]))
    split = SplitInteractions("cold_items", 5, share=0.6, warm_rule="random")
    return config, split(open_dataset(config)[0])


def among(scores: torch.Tensor, data, mask: torch.Tensor) -> float:
    """Recall@20 of the test items of a mask, ranked among that mask, user by user."""
    edges = {
        s: set(map(tuple, graph.interactions(data, s).t().tolist())) for s in ("train", "test")
    }
    recalls = []
    for user in range(scores.size(0)):
        held = {i for u, i in edges["test"] if u == user and mask[i]}
        if held and any(u == user for u, _ in edges["train"]):
            ranked = [
                i for i in range(scores.size(1)) if mask[i] and (user, i) not in edges["train"]
            ]
            ranked.sort(key=lambda i, u=user: (-float(scores[u, i]), i))
            recalls.append(len(held & set(ranked[:20])) / len(held))
    return sum(recalls) / len(recalls)


def test_rows_are_those_rankings(done: tuple[Path, str], data) -> None:
    config, split = data
    found = json.loads(done[0].read_text(encoding="utf-8"))["results"][0]
    test_items = set(graph.interactions(split, "test")[1].tolist())
    trained_items = set(graph.interactions(split, "train")[1].tolist())
    is_cold = torch.tensor([i in test_items - trained_items for i in range(100)])
    assert int(is_cold.sum()) > 20  # more than there are places

    cosine = ContentCosine(["text"]).fit(split).score(torch.arange(120))
    assert found["text-cosine"]["cold among cold recall@20"] == pytest.approx(
        among(cosine, split, is_cold)
    )
    arm = train_arm(build_arm(config.settings["vbpr"], "vbpr", "mrdib"), 5, split, Evaluator(split))
    user, item = (table.cpu() for table in arm.recommender.tables(split))
    row = found["vbpr mrdib"]
    assert row["cold among cold recall@20"] == pytest.approx(among(user @ item.T, split, is_cold))
    for name, mask in (("cold", is_cold), ("warm", ~is_cold)):
        sliced = slice_metrics(arm.fit.test_result, items=mask).mean
        assert row[f"{name} among all recall@20"] == sliced["recall@20"]
        assert row[f"{name} among all ndcg@20"] == sliced["ndcg@20"]
    # without the item's ID part: the user's ID part meets a constant, which ranks nothing
    width = config.settings["vbpr"].embedding_dim
    content = user[:, width:] @ item[:, width:].T
    assert found["vbpr mrdib content-only"]["cold among cold recall@20"] == pytest.approx(
        among(content, split, is_cold)
    )


def test_without_warm_rows_and_on_validation(
    cold: ModuleType, flags: list[str], tmp_path: Path
) -> None:
    path = tmp_path / "result.json"
    more = ["--split-seeds", "5", "--warm-rule", "none", "--part", "val", "--arms", "bare"]
    out = run(cold, *flags, *more, "--backbone", "lightgcn", "--out", str(path))
    [result] = json.loads(path.read_text(encoding="utf-8"))["results"]
    assert "Warm items" not in out and "Cold items ranked among all items" in out
    assert {name.split()[0] for name in result["lightgcn bare"]} == {"cold"}


def test_as_a_program() -> None:
    command = [sys.executable, str(SCRIPT), "--backbone", "lightgcn", "--split-seeds", "1,1"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 2 and not done.stdout
    assert done.stderr == "error: --split-seeds: got '1,1', which names one twice\n"


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (["--cold-share", "1.5"], r"split share: got 1\.5"),
        (["--warm-rule", "rando"], "split warm_rule: got 'rando', expected one of random,"),
    ],
)
def test_wrong_splits_are_named(
    cold: ModuleType, flags: list[str], wrong: list[str], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        run(cold, *flags, "--split-seeds", "5", *wrong)
