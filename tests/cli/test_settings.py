"""Every stored settings file loads, and builds and trains on graphs of its data set's shape."""

from pathlib import Path

import pytest
import torch
from torch_geometric.data import HeteroData

from mrdib_graph import backbones, graph, resolver
from mrdib_graph.backbones import Backbone
from mrdib_graph.cli.run import SETTINGS
from mrdib_graph.experiment import build_arm, build_arms, build_recommender, config
from mrdib_graph.experiment.config import RunConfig, Settings
from mrdib_graph.transforms import SplitInteractions
from mrdib_graph.typing import Triplets

FILES = sorted(SETTINGS.glob("*/*"))
SHAPES = {
    "planted": (2_000, 2_000, {"image": 128, "text": 64, "audio": 32}),
    **dict.fromkeys(
        ("baby", "sports", "clothing"), (400, 300, {"image": 4_096, "text": 384})
    ),  # their widths; cut to few users and items
    "lastfm2k": (1_858, 1_425, {"audio_vggish": 128, "audio_whisper": 512, "text": 384}),
}
"""Users, items and raw widths of each data set that settings are stored for."""


def shaped(dataset: str) -> HeteroData:
    """A random graph with the sizes of a data set."""
    users, items, widths = SHAPES[dataset]
    generator = torch.Generator().manual_seed(0)
    data = HeteroData()
    data[graph.USER].num_nodes, data[graph.ITEM].num_nodes = users, items
    user = torch.arange(users).repeat_interleave(6)
    item = (7 * user + torch.arange(6).repeat(users)) % items
    data[graph.INTERACTS].edge_index = torch.stack([user, item])
    for modality, width in widths.items():
        data[modality].x = torch.randn(items, width, generator=generator)
        data[graph.describes(modality)].edge_index = torch.arange(items).repeat(2, 1)
    return SplitInteractions("random", seed=0)(data)


def resolved(path: Path) -> RunConfig:
    flags = [("backbone", [path.stem]), ("dataset", path.parent.name)]
    return config.resolve(flags, None, SETTINGS)


def test_the_files_are_named_after_what_they_set() -> None:
    assert FILES
    known = resolver.choices(backbones, Backbone)
    for path in FILES:
        assert path.suffix == ".yaml" and path.stem in known, path
        assert path.parent.name in SHAPES, f"{path}: give this test the shape of its data set"


@pytest.mark.parametrize("path", FILES, ids=lambda p: f"{p.parent.name}-{p.stem}")
def test_a_file_loads_and_says_something(path: Path) -> None:
    run = resolved(path)
    assert run.settings[path.stem] != Settings()
    build_arms(run)


@pytest.mark.parametrize("path", FILES, ids=lambda p: f"{p.parent.name}-{p.stem}")
def test_a_file_builds_and_trains_on_the_shape_of_its_data(path: Path) -> None:
    settings = resolved(path).settings[path.stem]
    data = shaped(path.parent.name)
    users, items, _ = SHAPES[path.parent.name]
    multimodal = bool(build_recommender(build_arm(settings, path.stem, "bare"), data).modalities)
    arms = {"bare"} | ({"mrdib", *settings.arms} if multimodal else set())
    for arm in sorted(arms):
        torch.manual_seed(0)
        recommender = build_recommender(build_arm(settings, path.stem, arm), data)
        prepared = recommender.backbone.prepare(data)
        generator = torch.Generator().manual_seed(0)
        recommender.prepare_epoch(prepared, 0, generator)
        rows = torch.arange(64)
        terms = recommender.loss(prepared, Triplets(rows, rows, rows.unsqueeze(1) + 200), generator)
        total = recommender.total(terms)
        total.backward()
        assert torch.isfinite(total), (arm, terms)
        user, item = recommender.tables(prepared)
        assert (user.size(0), item.size(0)) == (users, items) and user.size(1) == item.size(1)
