"""What can be run: backbones of one's own, baselines, data in a folder, every objective."""

import json
import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from mrdib_graph import backbones, resolver
from mrdib_graph.backbones import Backbone
from mrdib_graph.datasets import MMRecFolder
from mrdib_graph.experiment import ARMS, CONTROLS
from mrdib_graph.serving import Bundle
from mrdib_graph.testing import check_backbone

ROOT = Path(__file__).resolve().parents[2]
MINE = ROOT / "docs" / "how_to" / "my_backbone.py"

pytestmark = pytest.mark.usefixtures("quick")


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "run"


def read(folder: Path) -> dict[str, Any]:
    return dict(json.loads((folder / "results.json").read_text(encoding="utf-8")))


def arms(folder: Path) -> list[tuple[str, str]]:
    return [(a["backbone"], a["arm"]) for a in read(folder)["arms"]]


def test_a_backbone_of_ones_own(tiny_job, out: Path) -> None:
    done = tiny_job("--backbone", f"{MINE}:ContentGCN", "--arms", "bare,mrdib", "--out", out)
    assert done.status == 0, done.err
    assert arms(out) == [("contentgcn", "bare"), ("contentgcn", "mrdib")]
    assert Bundle.load(out / "bundle").info.backbone == "contentgcn"
    assert (out / "checkpoints" / "contentgcn-mrdib-seed0.ckpt").is_file()


def test_its_options_are_settings_like_those_of_any_other(tiny_job, out: Path) -> None:
    flags = ("--backbone", f"{MINE}:ContentGCN", "--arms", "bare", "--out", out)
    done = tiny_job(*flags, "--set", "settings.contentgcn.options={k: 3, num_layers: 1}")
    assert done.status == 0, done.err
    assert read(out)["config"]["settings"]["contentgcn"]["options"] == {"k": 3, "num_layers": 1}
    done = tiny_job(*flags, "--set", "settings.contentgcn.options.num_layer=1")
    assert done.status == 2 and "did you mean 'num_layers'?" in done.err


def test_it_is_short_and_passes_the_common_checks(main_job) -> None:
    assert len(MINE.read_text(encoding="utf-8").splitlines()) < 60
    cls = resolver.resolve_class(f"{MINE}:ContentGCN", backbones, Backbone, "backbone")
    check_backbone(cls)
    check_backbone(cls, num_layers=1, k=3)


@pytest.mark.slow
def test_all_backbones_with_mrdib_and_every_control(tiny_job, out: Path) -> None:
    objectives = ("bare", "mrdib", "paper", *CONTROLS)
    flags = ("--backbone", "all", "--arms", ",".join(objectives), "--alpha-kl", "0.01")
    done = tiny_job(*flags, "--epochs", "1", "--out", out)
    assert done.status == 0, done.err
    found = arms(out)
    everyone = resolver.choices(backbones, Backbone)
    assert len(everyone) >= 15
    without_ids = {"mmgcn", "dualgnn", "dragon", "mentor"}
    for name in everyone:
        mine = {objective for backbone, objective in found if backbone == name} - {"bare-late"}
        if name == "lightgcn":
            assert mine == {"bare"}
        elif name in without_ids:
            assert set(objectives) - mine == {"id-dropout", "split-l2", "content-loss"}
        else:
            assert mine == set(objectives)
    assert "lightgcn has no modality embeddings: the arm mrdib is left out" in done.out


def test_every_objective_and_the_comparisons_with_each_control(tiny_job, out: Path) -> None:
    flags = ("--backbone", "vbpr", "--arms", ",".join(ARMS), "--alpha-kl", "0.01")
    reg = ("--set", "settings.vbpr.reg_fused=0.01")
    done = tiny_job(*flags, *reg, "--epochs", "2", "--out", out)
    assert done.status == 0, done.err
    assert arms(out) == [("vbpr", objective) for objective in (*ARMS, "bare-late")]
    for arm in read(out)["arms"]:
        values = [v for seed in arm["seeds"] for s in ("val", "test") for v in seed[s].values()]
        assert all(math.isfinite(v) and 0 <= v <= 1 for v in values), arm["arm"]
    found = {(c["baseline"], c["arm"]) for c in read(out)["comparisons"]}
    late = {a["arm"] for a in read(out)["arms"] if a["late_fusion"]} - {"bare-late"}
    assert found == {
        *(("bare", arm) for arm in (*ARMS, "bare-late") if arm != "bare"),
        *(("bare-late", arm) for arm in late),
        *((control, "mrdib") for control in CONTROLS),
    }
    assert "mrdib" in late


@pytest.mark.parametrize("backbone", ["lattice", f"{MINE}:ContentGCN"])
def test_every_objective_on_graph_backbones(backbone: str, tiny_job, out: Path) -> None:
    flags = ("--backbone", backbone, "--arms", ",".join(ARMS), "--alpha-kl", "0.01")
    done = tiny_job(*flags, "--placement", "auxiliary", "--out", out)
    assert done.status == 0, done.err
    late = ["bare-late"] if any(arm["late_fusion"] for arm in read(out)["arms"]) else []
    assert [o for _, o in arms(out)] == [*ARMS, *late]


def test_flags_of_the_method_reach_the_arm(tiny_job, out: Path) -> None:
    flags = ("--estimator", "mine", "--alpha-redundancy", "0.5", "--alpha-unique", "0.25")
    done = tiny_job(
        "--backbone",
        "vbpr",
        *flags,
        "--out",
        out,
    )
    assert done.status == 0, done.err
    own = read(out)["config"]["settings"]["vbpr"]["arms"]["mrdib"]
    stored = yaml.safe_load(
        (ROOT / "mrdib_graph/settings/planted/vbpr.yaml").read_text(encoding="utf-8")
    )
    assert own == {
        **stored["arms"]["mrdib"],
        "estimator": "mine",
        "alpha_redundancy": 0.5,
        "alpha_unique": 0.25,
    }
    other = tiny_job("--backbone", "vbpr", "--out", out.with_name("other"))
    assert other.status == 0
    mine, default = (read(f)["arms"] for f in (out, out.with_name("other")))
    assert mine[0]["mean"] == default[0]["mean"]  # bare is bare
    assert mine[1]["mean"] != default[1]["mean"]


def test_baselines_as_backbones_alone(tiny_job, out: Path) -> None:
    done = tiny_job("--backbone", "popularity,ItemKNN,ease", "--out", out)
    assert done.status == 0, done.err
    assert arms(out) == [(b, "closed-form") for b in ("popularity", "itemknn", "ease")]
    assert read(out)["comparisons"] == [] and read(out)["information"] == {}
    assert not (out / "bundle").exists()
    assert "ease" in (out / "report.md").read_text(encoding="utf-8")


def test_baselines_beside_a_backbone(tiny_job, out: Path) -> None:
    flags = ("--backbone", "ease,vbpr", "--arms", "bare", "--baselines", "EASE,popularity")
    done = tiny_job(*flags, "--out", out)
    assert done.status == 0, done.err
    assert arms(out) == [("ease", "closed-form"), ("popularity", "closed-form"), ("vbpr", "bare")]


def test_no_baselines(tiny_job, out: Path) -> None:
    flags = ("--backbone", "vbpr", "--arms", "bare", "--out", out)
    assert tiny_job(*flags, "--baselines", "none").status == 0
    assert arms(out) == [("vbpr", "bare")] and read(out)["config"]["baselines"] == []


def test_nothing_that_fits_the_data(tiny_job, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from mrdib_graph.experiment import fit_baselines

    monkeypatch.setitem(fit_baselines._GRIDS, "ease", [{"max_items": 10}])
    done = tiny_job("--backbone", "ease", "--out", out)
    assert done.status == 2 and "none of ease fits these data" in done.err


FOLDER = ("--backbone", "vbpr", "--arms", "bare,mrdib", "--seeds", "0", "--epochs", "2")
FOLDER += ("--embedding-dim", "8", "--quiet", "--no-mlflow", "--no-profile", "--baselines", "none")


def test_a_folder_of_ones_own(job, data_folder: Path, out: Path) -> None:
    done = job(*FOLDER, "--dataset", data_folder, "--split", "given", "--out", out)
    assert done.status == 0, done.err
    found = read(out)["dataset"]
    assert found["name"] == "shop" and found["source"] == str(data_folder)
    assert found["split_rule"].startswith("given sha256=")
    assert (found["counts"]["train"], found["counts"]["val"], found["counts"]["test"]) == (
        *(30 * 8, 30, 30),
    )
    assert set(found["counts"]["modalities"]) == {"image", "text", "audio"}
    assert found["digest"] == MMRecFolder(data_folder, split="given").digest


def test_some_modalities_and_another_split(job, data_folder: Path, out: Path) -> None:
    flags = ("--dataset", data_folder, "--modalities", "text,audio", "--split-seed", "4")
    done = job(*FOLDER, *flags, "--out", out)
    assert done.status == 0, done.err
    found = read(out)["dataset"]
    assert found["counts"]["modalities"] == {"text": 5, "audio": 4}
    assert re.search("random.*4", found["split_rule"])
    one = MMRecFolder(data_folder, modalities=["text", "audio"], split="random", split_seed=4)
    assert found["digest"] == one.digest


def test_one_modality(job, data_folder: Path, out: Path) -> None:
    flags = ("--dataset", data_folder, "--modalities", "text", "--split", "given")
    done = job(*[f for f in FOLDER if f != "--no-profile"], *flags, "--out", out)
    assert done.status == 0, done.err
    assert read(out)["information"] == {}  # 30 test rows: the measure refuses to speak


def test_a_data_set_in_a_file_of_ones_own(job, tmp_path: Path, out: Path) -> None:
    path = tmp_path / "my_data.py"
    path.write_text(
        """
from mrdib_graph.datasets import Planted

class Small(Planted):
    name = "small"

    def __init__(self, num_users: int = 60):
        super().__init__(num_users, 80, 900, modalities={"image": 16, "text": 12})
"""
    )
    done = job(*FOLDER, "--dataset", f"{path}:Small", "--out", out)
    assert done.status == 0, done.err
    assert read(out)["dataset"]["name"] == "small"
    assert read(out)["dataset"]["counts"]["users"] == 60
    done = job(*FOLDER, "--dataset", f"{path}:Smal")
    assert done.status == 2 and "it has: " in done.err and "Small" in done.err


def test_a_gain_over_nothing_is_null(job, make_folder, tmp_path: Path, out: Path) -> None:
    """A bare arm without a hit gives no percentage, and results.json stays JSON."""
    folder = make_folder(tmp_path / "wide", num_users=12, num_items=400)
    flags = ("--dataset", folder, "--split", "given", "--learning-rate", "1e-9")
    done = job(*FOLDER, *flags, "--out", out)
    assert done.status == 0, done.err
    means = read(out)["arms"][0]["mean"]
    assert 0 in means.values()
    for c in read(out)["comparisons"]:
        assert (c["gain_percent"] is None) == (means[c["metric"]] == 0)
        assert (c["ci95"][0] is None) == (means[c["metric"]] == 0)
    assert "NaN" not in (out / "results.json").read_text()


@pytest.mark.shared
@pytest.mark.slow
def test_a_real_data_set(job, out: Path) -> None:
    root = ROOT.parent / "shared" / "data"
    if not (root / "lastfm2k").is_dir():
        pytest.skip(f"{root}/lastfm2k is not there")
    flags = ("--dataset", "lastfm2k", "--root", root, "--modalities", "text,audio_vggish")
    done = job(*FOLDER, *flags, "--out", out)
    assert done.status == 0, done.err
    found = read(out)["dataset"]["counts"]
    assert (found["users"], found["items"]) == (1858, 1425)
    assert np.isfinite(read(out)["arms"][1]["mean"]["recall@20"])
