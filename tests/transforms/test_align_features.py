"""Features in item order, gathered once."""

import torch

from mrdib_graph import graph
from mrdib_graph.testing import tiny_data
from mrdib_graph.transforms import AlignFeatures


def test_views_are_unchanged_and_no_longer_gather() -> None:
    data = tiny_data()
    out = AlignFeatures()(data)
    for modality in graph.modalities(data):
        x, mask = graph.item_features(data, modality)
        aligned, aligned_mask = graph.item_features(out, modality)
        assert torch.equal(x, aligned) and torch.equal(mask, aligned_mask)
        assert graph.item_features(out, modality)[0] is aligned
        assert graph.item_features(data, modality)[0] is not x  # gathered by every call


def test_leaves_the_given_graph_alone() -> None:
    data = tiny_data()
    before = sorted(data["item"].keys())
    AlignFeatures()(data)
    assert sorted(data["item"].keys()) == before


def test_features_in_item_order_are_not_copied() -> None:
    data = tiny_data(missing=0)
    for modality in graph.modalities(data):
        x, _ = graph.item_features(data, modality)
        data[modality].x = x
        data[graph.describes(modality)].edge_index = torch.arange(40).repeat(2, 1)
    out = AlignFeatures()(data)
    for modality in graph.modalities(data):
        assert graph.item_features(out, modality)[0] is data[modality].x


def test_again_changes_nothing() -> None:
    once = AlignFeatures()(tiny_data())
    twice = AlignFeatures()(once)
    for modality in graph.modalities(once):
        first, second = (graph.item_features(d, modality)[0] for d in (once, twice))
        assert first is second
