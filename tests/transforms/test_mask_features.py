"""Masked features: which items lose a modality, and that nothing else changes."""

import pytest
import torch

from mrdib_graph import graph
from mrdib_graph.errors import ConfigError, DataError
from mrdib_graph.testing import tiny_data
from mrdib_graph.transforms import AlignFeatures, ItemKNNGraph, MaskFeatures


def having(data, modality):
    return set(data[graph.describes(modality)].edge_index[1].tolist())


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9])
def test_that_share_of_the_items_that_have_it_loses_it(share):
    data = tiny_data()
    masked = MaskFeatures(share, seed=3)(data)
    graph.validate(masked)
    for modality in ("image", "text"):
        before, after = having(data, modality), having(masked, modality)
        assert after <= before and len(before) - len(after) == round(share * len(before))
        old, new = (graph.item_features(d, modality)[0] for d in (data, masked))
        kept = sorted(after)
        assert torch.equal(new[kept], old[kept])
        assert masked[modality].x.size(0) == len(after)  # no row that nothing reads
    store, same = data[graph.INTERACTS], masked[graph.INTERACTS]
    assert torch.equal(store.edge_index, same.edge_index)
    assert all(torch.equal(store[f"{s}_mask"], same[f"{s}_mask"]) for s in graph.SPLITS)


def test_the_graph_that_was_given_stays():
    data = tiny_data()
    x, edges = data["text"].x.clone(), data["text", "describes", "item"].edge_index.clone()
    MaskFeatures(0.5)(data)
    assert torch.equal(data["text"].x, x)
    assert torch.equal(data["text", "describes", "item"].edge_index, edges)


def test_a_larger_share_masks_what_a_smaller_one_does():
    data = tiny_data()
    sets = [having(MaskFeatures(share, 1)(data), "text") for share in (0.1, 0.3, 0.7)]
    assert sets[0] > sets[1] > sets[2]


def test_seeds_and_modalities_draw_for_themselves():
    data = tiny_data(missing=0)
    one, other = MaskFeatures(0.5, 1)(data), MaskFeatures(0.5, 2)(data)
    assert having(one, "text") != having(other, "text")
    assert having(one, "text") != having(one, "image")
    alone = MaskFeatures(0.5, 1, ["text"])(data)
    assert having(alone, "text") == having(one, "text")
    assert having(alone, "image") == having(data, "image")
    assert "share=0.5 seed=1 of text" in alone.feature_masking


def test_the_order_of_the_edges_does_not_matter():
    data, shuffled = tiny_data(), tiny_data()
    relation = shuffled["text", "describes", "item"]
    relation.edge_index = relation.edge_index.flip(1)
    masked = [MaskFeatures(0.4, 5)(d) for d in (data, shuffled)]
    assert having(masked[0], "text") == having(masked[1], "text")
    features = [graph.item_features(d, "text")[0] for d in masked]
    assert torch.equal(*features)


def test_a_shared_feature_node_stays_while_an_item_needs_it():
    data = tiny_data(missing=0)
    node = torch.zeros(40, dtype=torch.int64)
    data["text"].x = data["text"].x[:1]
    data["text", "describes", "item"].edge_index = torch.stack([node, torch.arange(40)])
    masked = MaskFeatures(0.9)(data)
    x, mask = graph.item_features(masked, "text")
    assert int(mask.sum()) == 4 and masked["text"].x.size(0) == 1
    assert torch.equal(x[mask], data["text"].x.expand(4, -1))


def test_derived_graphs_and_aligned_rows_follow():
    data = ItemKNNGraph(k=3)(AlignFeatures()(tiny_data()))
    masked = MaskFeatures(0.5)(data)
    assert not graph.has_operator(masked, "item_text_cos_sym")
    x, mask = graph.item_features(masked, "text")
    assert set(mask.nonzero().squeeze(1).tolist()) == having(masked, "text")
    assert not x[~mask].any()
    assert bool(graph.item_masks(masked, ["text"])["text"].eq(mask).all())


def test_refuses():
    data = tiny_data()
    for share in (1.0, -0.1, float("nan")):
        with pytest.raises(ConfigError, match="share: got"):
            MaskFeatures(share)
    with pytest.raises(ConfigError, match="seed: got -1"):
        MaskFeatures(0.1, -1)
    with pytest.raises(DataError, match="'audio' is not in the graph: it has image, text"):
        MaskFeatures(0.1, modalities=["audio"])(data)
    with pytest.raises(DataError, match="0.99 of 40 items with 'image' leaves none"):
        MaskFeatures(0.99)(data)
