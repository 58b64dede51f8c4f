import logging
import re

import numpy as np
import pytest
import torch
from sklearn.preprocessing import StandardScaler, normalize
from torch_geometric.data import HeteroData

from mrdib_graph import graph
from mrdib_graph.datasets.folder.feature_file import read_features
from mrdib_graph.errors import ConfigError
from mrdib_graph.transforms import AlignFeatures, ItemKNNGraph, ScaleFeatures, row_blocks
from mrdib_graph.transforms.scale_features import column_statistics, row_statistics, scale_rows


def rows(n=40, d=6, scale=1.0, shift=0.0, seed=0):
    return scale * (torch.randn(n, d, generator=torch.Generator().manual_seed(seed)) + shift)


def make(**features):
    data = HeteroData()
    n = len(next(iter(features.values())))
    data["user"].num_nodes, data["item"].num_nodes = 2, n
    data[graph.INTERACTS].edge_index = torch.tensor([[0, 1], [0, 1]])
    for modality, x in features.items():
        data[modality].x = x
        data[graph.describes(modality)].edge_index = torch.arange(n).expand(2, n)
    return data


@pytest.mark.parametrize("block", [12, 2**22])
def test_equals_scikit_learn(monkeypatch, block):
    monkeypatch.setattr(row_blocks, "BLOCK_VALUES", block)
    x = rows(scale=50.0, shift=3.0)
    reference = normalize(StandardScaler().fit_transform(x.double().numpy()))
    assert np.allclose(scale_rows(x).numpy(), reference, atol=1e-6)


@pytest.mark.parametrize("block", [12, 2**22])
def test_statistics_equal_the_slow_way(monkeypatch, block):
    monkeypatch.setattr(row_blocks, "BLOCK_VALUES", block)
    x = rows(shift=0.5)
    x[7] = 0
    used = torch.cat([x[:7], x[8:]]).double()
    norm, cosine = row_statistics(x)
    unit = used / used.norm(dim=1, keepdim=True)
    pairs = [float(unit[i] @ unit[j]) for i in range(39) for j in range(39) if i != j]
    assert norm == pytest.approx(float(used.norm(dim=1).median()))
    assert cosine == pytest.approx(np.mean(pairs))
    mean, deviation = column_statistics(x)
    assert torch.allclose(mean, used.mean(0))
    assert torch.allclose(deviation, used.std(0, unbiased=False))


def test_near_constant_columns_become_zero_and_zero_rows_stay():
    x = rows()
    x[:, 0] *= 1e-33
    x[:, 1] = 1e6 + 0.01 * x[:, 1]  # float32 rounding, no information
    x[:, 2] *= 1e-3  # small and honest
    x[:, 3] = 7.0
    x[5] = 0
    out = scale_rows(x)
    assert torch.isfinite(out).all()
    assert not out[:, [0, 1, 3]].any()
    assert out[:, 2].std() > 0.1
    assert not out[5].any()
    norms = torch.cat([out[:5], out[6:]]).norm(dim=1)
    assert torch.allclose(norms, torch.ones(39))


def test_degenerate_tables():
    assert not scale_rows(torch.zeros(3, 2)).any()
    assert not scale_rows(torch.ones(3, 2)).any()
    assert not scale_rows(rows(n=1)).any()
    assert row_statistics(torch.zeros(3, 2)) == (0.0, 0.0)


def test_auto_leaves_like_scales_alone():
    data = make(image=rows(scale=9.0), text=rows(seed=1))
    out = ScaleFeatures()(data)
    assert out.feature_scaling == "none"
    assert out["image"].x is data["image"].x


def test_auto_scales_all_modalities_when_norms_differ():
    data = make(image=rows(scale=50.0), text=rows(seed=1))
    before = data["image"].x.clone()
    out = ScaleFeatures()(data)
    assert re.search(r"row norms of image are (4|5)\d times those of text", out.feature_scaling)
    for modality in ("image", "text"):
        assert torch.equal(out[modality].x, scale_rows(data[modality].x))
    assert torch.equal(data["image"].x, before) and "feature_scaling" not in data


def test_auto_scales_rows_that_all_point_the_same_way():
    out = ScaleFeatures()(make(audio=rows(shift=10.0)))
    assert "rows of audio have mean cosine 0.99" in out.feature_scaling
    assert abs(row_statistics(out["audio"].x)[1]) < 0.1


def test_auto_twice_keeps_features_and_record():
    once = ScaleFeatures()(make(audio=rows(shift=10.0)))
    twice = ScaleFeatures()(once)
    assert twice["audio"].x is once["audio"].x
    assert twice.feature_scaling == once.feature_scaling


def test_always_and_never(caplog):
    data = make(image=rows(scale=50.0), text=rows(seed=1))
    out = ScaleFeatures("always")(make(text=rows()))
    assert torch.equal(out["text"].x, scale_rows(rows()))
    assert out.feature_scaling == "columns z-scored, rows of norm 1 (always)"
    with caplog.at_level(logging.WARNING):
        out = ScaleFeatures("never")(data)
    assert out["image"].x is data["image"].x and out.feature_scaling == "none"
    assert "not scaled (scale='never') although row norms of image" in caplog.text


def test_without_modalities_nothing_happens():
    data = make(text=rows())
    bare = HeteroData()
    bare["user"].num_nodes, bare["item"].num_nodes = 2, 40
    bare[graph.INTERACTS].edge_index = data[graph.INTERACTS].edge_index
    assert ScaleFeatures("always")(bare).feature_scaling == "none"


def test_graphs_made_from_the_old_features_are_dropped():
    data = AlignFeatures()(ItemKNNGraph(k=3)(make(audio=rows(shift=10.0))))
    out = ScaleFeatures()(data)
    assert torch.equal(graph.item_features(out, "audio")[0], out["audio"].x)
    assert not graph.has_operator(out, "item_audio_cos_sym")
    assert graph.similar("audio") not in out.edge_types
    assert graph.has_operator(data, "item_audio_cos_sym")
    assert graph.similar("audio") in data.edge_types
    assert torch.equal(graph.item_features(data, "audio")[0], rows(shift=10.0))


def test_unknown_mode():
    with pytest.raises(ConfigError, match="mode: got 'atuo'.*did you mean 'auto'"):
        ScaleFeatures("atuo")


def test_norms_of_1_beside_1500_in_one_table_and_in_two():
    """Rows far apart in scale, a constant column of their size and zero rows: nothing blows up."""
    x = torch.nn.functional.normalize(rows(200, 32))
    x[::2] *= 1500
    x[:, 5] = 1500.0
    x[7] = 0
    table = scale_rows(x)
    norm = table.double().norm(dim=1)
    norm[7] += 1
    assert torch.allclose(norm, torch.ones(200, dtype=torch.float64), atol=1e-6)
    assert not table[:, 5].any() and not table[7].any()
    reference = x.double()[torch.arange(200) != 7]
    reference = np.delete(StandardScaler().fit_transform(reference.numpy()), 5, axis=1)
    kept = np.delete(np.delete(table.numpy(), 5, axis=1), 7, axis=0)
    assert np.allclose(kept, normalize(reference), atol=1e-5)
    small = torch.nn.functional.normalize(rows(200, 8, seed=1))
    out = ScaleFeatures()(make(image=1500 * torch.nn.functional.normalize(rows(200)), text=small))
    assert "row norms of image are 1500 times those of text" in out.feature_scaling
    for modality in ("image", "text"):
        assert out[modality].x.norm(dim=1).sub(1).abs().max() < 1e-5


def test_a_mapped_table_is_scaled_as_one_in_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(row_blocks, "BLOCK_VALUES", 12)
    x = rows(50, 7, scale=1500, shift=2)
    x[:, 2], x[11] = 3.0, 0
    np.save(tmp_path / "text_feat.npy", x.numpy())
    mapped = read_features(tmp_path / "text_feat.npy")
    before = (tmp_path / "text_feat.npy").read_bytes()
    assert torch.equal(scale_rows(mapped), scale_rows(x))
    assert torch.equal(mapped, x) and (tmp_path / "text_feat.npy").read_bytes() == before
