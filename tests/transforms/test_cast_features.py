"""Features in bfloat16: stored so, and read as their rounded values."""

from __future__ import annotations

import pytest
import torch
from torch import Generator
from torch_geometric.data import HeteroData

from mrdib_graph import backbones, graph, resolver
from mrdib_graph.backbones import Backbone
from mrdib_graph.errors import ConfigError
from mrdib_graph.loader import TripletLoader
from mrdib_graph.recommender import Recommender
from mrdib_graph.testing import tiny_data
from mrdib_graph.transforms import AlignFeatures, CastFeatures, ItemKNNGraph


def rounded() -> HeteroData:
    """The graph with float32 features that a bfloat16 can hold."""
    return CastFeatures("float32")(CastFeatures()(tiny_data()))


def test_half_the_memory_and_values_to_one_part_in_256() -> None:
    data, before = CastFeatures()(tiny_data()), tiny_data()
    graph.validate(data)
    for modality in graph.modalities(data):
        x, exact = data[modality].x, before[modality].x
        assert x.dtype == torch.bfloat16
        assert 2 * x.nbytes == exact.nbytes
        assert bool(((x.float() - exact).abs() <= exact.abs() / 256).all())


def test_features_stay_as_they_are_through_alignment_and_the_item_graph() -> None:
    data = ItemKNNGraph(3)(AlignFeatures()(CastFeatures()(tiny_data())))
    other = ItemKNNGraph(3)(AlignFeatures()(rounded()))
    for modality in graph.modalities(data):
        assert graph.item_features(data, modality)[0].dtype == torch.bfloat16
        ours, theirs = (graph.item_graph(d, modality) for d in (data, other))
        assert torch.equal(ours.col, theirs.col)


def test_what_was_made_from_the_exact_features_is_forgotten() -> None:
    data = CastFeatures()(ItemKNNGraph(3)(AlignFeatures()(tiny_data())))
    assert not graph.has_operator(data, "item_image_cos_sym")
    assert graph.item_features(data, "image")[0].dtype == torch.bfloat16


def test_nothing_happens_where_the_type_is_right() -> None:
    data = AlignFeatures()(tiny_data())
    kept = ItemKNNGraph(3)(data)
    x = kept["image"].x
    kept = CastFeatures("float32")(kept)
    assert kept["image"].x is x and graph.has_operator(kept, "item_image_cos_sym")


@pytest.mark.parametrize("name", sorted(resolver.choices(backbones, Backbone)))
def test_every_backbone_learns_from_them_as_from_the_rounded_values(name: str) -> None:
    totals, gradients = [], []
    for data in (CastFeatures()(tiny_data()), rounded()):
        torch.manual_seed(0)
        cls = resolver.resolve_class(name, backbones, Backbone, "backbone")
        backbone = cls.from_data(data, embedding_dim=8)
        data = backbone.prepare(data)
        recommender, noise = Recommender(backbone).train(), Generator().manual_seed(0)
        recommender.prepare_epoch(data, 0, noise)
        batch = next(iter(TripletLoader(data, 32, generator=Generator().manual_seed(0))))
        total = recommender.total(recommender.loss(data, batch, noise))
        torch.autograd.backward(total)
        totals.append(total.detach())
        gradients.append([p.grad for p in recommender.parameters() if p.grad is not None])
    torch.testing.assert_close(*totals)
    torch.testing.assert_close(*gradients, atol=1e-5, rtol=1e-4)


def test_another_type_is_refused() -> None:
    with pytest.raises(ConfigError, match="dtype: got 'bfloat'.*bfloat16"):
        CastFeatures("bfloat")  # type: ignore[arg-type]
