"""The comparison of methods under masked features: every cell is the run that it says."""

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
from mrdib_graph.errors import ConfigError
from mrdib_graph.evaluation import Evaluator, slice_metrics
from mrdib_graph.experiment import build_arm, open_dataset, train_arm
from mrdib_graph.testing import tiny_data
from mrdib_graph.transforms import MaskFeatures, PropagateFeatures

SCRIPT = Path(__file__).resolve().parents[2] / "benchmarks" / "missing.py"
METHODS = "zero-fill,propagation,learned,shared,poe,no-content"


@pytest.fixture(scope="module")
def missing(load_job) -> ModuleType:
    return load_job("missing")


def run(job: ModuleType, *flags: str) -> tuple[str, str]:
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        job.main(list(flags))
    return out.getvalue(), err.getvalue()


@pytest.fixture(scope="module")
def done(
    missing: ModuleType, tiny_flags: list[str], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, str]:
    path = tmp_path_factory.mktemp("missing") / "result.json"
    flags = [*tiny_flags, "--backbone", "vbpr", "--data-seeds", "3,4", "--shares", "0,0.5"]
    out, _ = run(missing, *flags, "--methods", METHODS, "--out", str(path))
    return path, out


def test_every_cell_is_written_and_shown(done: tuple[Path, str]) -> None:
    path, out = done
    content = json.loads(path.read_text(encoding="utf-8"))
    assert content["data_seeds"] == [3, 4] and len(content["results"]) == 2
    for result in content["results"]:
        assert list(result) == ["0", "0.5"]
        for share, rows in result.items():
            assert list(rows) == METHODS.split(",")
            for metrics in rows.values():
                assert len(metrics) == (2 if share == "0" else 4)
    assert path.with_suffix(".png").read_bytes()[:4] == b"\x89PNG"
    titles = [line for line in out.splitlines() if " masked, " in line]
    assert titles == [
        "0% masked, all items",
        "50% masked, all items",
        "50% masked, items that lack a modality",
    ]
    tables = out[out.index(titles[0]) :]
    assert tables.count("| propagation ") == 2  # with nothing missing it is zero-fill
    value = content["results"][0]["0.5"]["poe"]["recall@20"]
    other = content["results"][1]["0.5"]["poe"]["recall@20"]
    assert f"| {(value + other) / 2:.4f} ±" in tables


def test_nothing_missing_means_nothing_filled(done: tuple[Path, str]) -> None:
    content = json.loads(done[0].read_text(encoding="utf-8"))
    for result in content["results"]:
        for name in ("propagation", "learned"):
            assert result["0"][name] == result["0"]["zero-fill"]
            assert result["0.5"][name] != result["0.5"]["zero-fill"]
        # on vbpr a recommender that reads no content does not see what is masked
        assert result["0"]["no-content"] == {
            name: value
            for name, value in result["0.5"]["no-content"].items()
            if not name.startswith("lacking")
        }


@pytest.mark.parametrize(
    ("method", "name", "options"),
    [
        ("zero-fill", "bare", []),
        ("propagation", "bare", []),
        ("poe", "bare", ["user_side=shared", "fusion=poe"]),
    ],
)
def test_a_cell_is_that_training(
    done: tuple[Path, str],
    main_job: ModuleType,
    tiny_flags: list[str],
    method: str,
    name: str,
    options: list[str],
) -> None:
    flags = [*tiny_flags, "--backbone", "vbpr", "--seeds", "3", "--set", "dataset_options.seed=3"]
    for option in options:
        flags += ["--set", f"settings.vbpr.options.{option}"]
    config = main_job.read_config(main_job.build_parser().parse_args(flags))
    data = MaskFeatures(0.5, 3)(open_dataset(config)[0])
    lacking = torch.zeros(100, dtype=torch.bool)
    for modality in ("image", "text"):
        lacking |= ~graph.item_features(data, modality)[1]
    if method == "propagation":
        data = PropagateFeatures()(data)
    arm = train_arm(build_arm(config.settings["vbpr"], "vbpr", name), 3, data, Evaluator(data))
    part = slice_metrics(arm.fit.test_result, items=lacking).mean
    found = json.loads(done[0].read_text(encoding="utf-8"))["results"][0]["0.5"][method]
    assert found == {
        "recall@20": arm.fit.test["recall@20"],
        "ndcg@20": arm.fit.test["ndcg@20"],
        "lacking recall@20": part["recall@20"],
        "lacking ndcg@20": part["ndcg@20"],
    }


def test_on_validation_and_with_some_modalities(
    missing: ModuleType, main_job: ModuleType, tiny_flags: list[str], tmp_path: Path
) -> None:
    flags = [*tiny_flags, "--backbone", "vbpr", "--data-seeds", "3", "--shares", "0.5"]
    flags += ["--methods", "no-content,zero-fill", "--masked", "text"]
    path = tmp_path / "val.json"
    run(missing, *flags, "--part", "val", "--out", str(path))
    found = json.loads(path.read_text(encoding="utf-8"))["results"][0]["0.5"]["zero-fill"]

    more = ["--seeds", "3", "--set", "dataset_options.seed=3", "--backbone", "vbpr"]
    config = main_job.read_config(main_job.build_parser().parse_args([*tiny_flags, *more]))
    data = MaskFeatures(0.5, 3, ["text"])(open_dataset(config)[0])
    arm = train_arm(build_arm(config.settings["vbpr"], "vbpr", "bare"), 3, data, Evaluator(data))
    assert found["recall@20"] == arm.fit.val["recall@20"] != arm.fit.test["recall@20"]
    lacking = ~graph.item_features(data, "text")[1]
    val = Evaluator(data)(*arm.recommender.tables(data), "val")
    sliced = slice_metrics(val, items=lacking).mean
    assert found["lacking ndcg@20"] == sliced["ndcg@20"]


def test_shares_are_told_as_they_are(missing: ModuleType) -> None:
    metrics = {"recall@20": 0.1, "ndcg@20": 0.2}
    text = missing.summary([{"0.125": {"zero-fill": metrics}, "0.001": {"zero-fill": metrics}}])
    titles = [line for line in text.splitlines() if " masked, " in line]
    assert titles == ["12.5% masked, all items", "0.1% masked, all items"]


def test_a_method_that_cannot_be_had_is_named(missing: ModuleType, tiny_flags: list[str]) -> None:
    flags = [*tiny_flags, "--data-seeds", "3", "--shares", "0.3", "--epochs", "1"]
    out, err = run(missing, *flags, "--backbone", "bm3", "--methods", "zero-fill,poe")
    assert "poe left out: bm3 has no option fusion" in err and "| poe" not in out
    with pytest.raises(ConfigError, match="none of learned can be had"):
        run(missing, *flags, "--backbone", "bm3", "--methods", "learned")
    with pytest.raises(ConfigError, match="none of mrdib can be had"):
        run(missing, *flags, "--backbone", "lightgcn", "--methods", "mrdib")


def test_neighbours_in_other_modalities_need_two(
    missing: ModuleType,
    main_job: ModuleType,
    tiny_flags: list[str],
    capsys: pytest.CaptureFixture[str],
) -> None:
    flags = [*tiny_flags, "--backbone", "vbpr"]
    config = main_job.read_config(main_job.build_parser().parse_args(flags))
    names = ["zero-fill", "propagation", "propagation-knn"]
    found = missing.available(names, config, tiny_data(modalities=("text",)))
    assert list(found) == names[:2]
    assert capsys.readouterr().err == "propagation-knn left out: there is one modality\n"


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--methods", "pow"], "'pow' is unknown; did you mean 'poe'"),
        (["--arms", "bare"], "--arms: the methods say what is trained"),
        (["--backbone", "vbpr,lattice"], "--backbone: got vbpr, lattice, expected one"),
        (["--shares", "0,a"], "--shares: got '0,a', expected numbers"),
        (["--shares", "0,0"], "names one twice"),
        (["--shares", "1"], "share: got 1.0, expected"),
    ],
)
def test_wrong_flags_are_named(
    missing: ModuleType, tiny_flags: list[str], flags: list[str], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        run(missing, *tiny_flags, "--backbone", "vbpr", *flags)


def test_as_a_program() -> None:
    done = subprocess.run(
        [sys.executable, str(SCRIPT), "--methods", "pow"], capture_output=True, text=True
    )
    assert done.returncode == 2 and not done.stdout
    assert done.stderr.startswith("error: --methods: 'pow' is unknown; did you mean 'poe'?")
