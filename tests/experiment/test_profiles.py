"""The information profile of a trained recommender."""

import logging
from pathlib import Path

import pytest
import torch
from torch_geometric.data import HeteroData

from mrdib_graph import graph
from mrdib_graph.datasets import MMRecFolder, Planted
from mrdib_graph.experiment import Arm, Outputs, build_arm, build_recommender, profiles
from mrdib_graph.experiment.config import Settings
from mrdib_graph.recommender import Recommender
from mrdib_graph.tracking import Tracker

ENOUGH = Planted(
    **{"num_users": 320, "num_items": 80, "num_interactions": 6400},
    modalities={"image": 16, "text": 12, "audio": 12},
)


def build(backbone: str, arm: str, data: HeteroData) -> Recommender:
    return build_recommender(build_arm(Settings(embedding_dim=8), backbone, arm), data)


@pytest.fixture(scope="module")
def profile():
    torch.manual_seed(0)
    recommender = build("vbpr", "mrdib", ENOUGH[0])
    return profiles.profile_arm(recommender, ENOUGH[0])


def test_every_modality_and_pair_on_the_test_split(profile) -> None:
    assert [m.name for m in profile.modalities] == ["image", "text", "audio"]
    assert [p.pair for p in profile.pairs] == [
        *(("image", "text"), ("image", "audio"), ("text", "audio")),
    ]
    assert profile.split == "test"
    assert profile.num_interactions == graph.interactions(ENOUGH[0], "test").size(1)
    assert profile.fused is not None and {k.name for k in profile.knock_out} >= {"image", "id"}


def test_one_modality_has_no_pair() -> None:
    data = Planted(
        **{"num_users": 320, "num_items": 80, "num_interactions": 6400, "synergy": 0.0},
        modalities={"image": 16, "text": 12},
    )[0]
    del data["text"], data[graph.describes("text")]
    recommender = build("vbpr", "bare", data)
    found = profiles.profile_arm(recommender, data)
    assert found is not None and [m.name for m in found.modalities] == ["image"]
    assert found.pairs == ()


def test_no_modality_no_profile() -> None:
    recommender = build("lightgcn", "bare", ENOUGH[0])
    assert profiles.profile_arm(recommender, ENOUGH[0]) is None


def test_too_few_interactions_are_said(planted: Planted, caplog: pytest.LogCaptureFixture) -> None:
    recommender = build("vbpr", "bare", planted[0])
    with caplog.at_level(logging.WARNING):
        assert profiles.profile_arm(recommender, planted[0]) is None
    assert "information profile left out: " in caplog.text and "500" in caplog.text


def test_who_knows_the_truth(tmp_path: Path) -> None:
    assert profiles.truth_of(ENOUGH) is ENOUGH
    assert profiles.truth_of(MMRecFolder(tmp_path / "shop")) is None


def test_the_items_codes() -> None:
    torch.manual_seed(0)
    recommender = build("vbpr", "mrdib", ENOUGH[0])
    found = profiles.item_codes(recommender, ENOUGH[0])
    assert list(found) == ["image", "text", "audio"]
    expected = recommender.codes(ENOUGH[0])["item"]
    for modality, code in found.items():
        assert code.shape == (80, 8) and torch.equal(code, expected[modality])
    bare = build("lightgcn", "bare", ENOUGH[0])
    assert profiles.item_codes(bare, ENOUGH[0]) == {}


def test_maps_of_the_codes_bare_and_with_the_method(tmp_path: Path, notes) -> None:
    outputs = Outputs(tmp_path / "run")
    outputs.create()
    rows = {"image": torch.randn(20, 4), "text": torch.randn(20, 4)}
    labels = ("vbpr-bare", "vbpr-mrdib", "vbpr-noise", "vbpr-paper", "lattice-mrdib")
    arms = [Arm(*label.split("-")) for label in labels]
    names = profiles.code_maps(notes, outputs, [(arm, rows) for arm in arms])
    assert names == ["codes-vbpr-mrdib.png", "codes-vbpr-paper.png"]  # lattice ran without bare
    assert sorted(p.name for p in outputs.figures.iterdir()) == names
    assert [given[0].name for given, _ in notes.of("log_artifact")] == names


@pytest.mark.parametrize("dataset", [ENOUGH, MMRecFolder("shop")], ids=["truth", "no truth"])
def test_figures(dataset, profile, tmp_path: Path) -> None:
    outputs = Outputs(tmp_path / "run")
    outputs.create()
    names = profiles.profile_figures(Tracker(), outputs, {"vbpr-mrdib": profile}, dataset)
    assert names == [
        "information-vbpr-mrdib.png",
        "information-pairs-vbpr-mrdib.png",
        "knock-out-vbpr-mrdib.png",
    ]
    assert sorted(names) == sorted(p.name for p in outputs.figures.iterdir())
    assert all((outputs.figures / n).read_bytes().startswith(b"\x89PNG") for n in names)
    assert profiles.profile_figures(Tracker(), outputs, {}, dataset) == []
