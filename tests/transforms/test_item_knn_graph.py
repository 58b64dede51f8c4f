"""Item kNN graphs against dense matrices and the hand-computed case."""

from importlib import import_module
from pathlib import Path
from typing import get_args

import pytest
import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from mrdib_graph import graph
from mrdib_graph.errors import ConfigError
from mrdib_graph.nn import Neighbors, knn
from mrdib_graph.testing import tiny_data
from mrdib_graph.transforms import ItemKNNGraph, graph_cache
from mrdib_graph.transforms.item_knn_graph import Kind

module = import_module("mrdib_graph.transforms.item_knn_graph")


def items_with(x: Tensor) -> HeteroData:
    data = HeteroData()
    data["user"].num_nodes, data["item"].num_nodes = 1, x.size(0)
    data["image"].x = x
    data["image", "describes", "item"].edge_index = torch.arange(x.size(0)).repeat(2, 1)
    return data


def built(x: Tensor, k: int, kind: str = "cos_sym") -> Tensor:
    data = ItemKNNGraph(k, kind)(items_with(x))  # type: ignore[arg-type]
    return graph.item_graph(data, "image", kind).dense()


def dense(x: Tensor, k: int, kind: str) -> Tensor:
    """The releases' own recipe on a full matrix of cosines; the clamp touches stored values."""
    unit = torch.nn.functional.normalize(x, dim=1)
    cosine = unit @ unit.T
    ranked = cosine.clone().fill_diagonal_(2.0)
    stored = torch.zeros_like(cosine).scatter_(1, ranked.topk(k).indices, 1.0)
    kept = stored if kind == "bin_sym" else cosine * stored
    degree = kept.sum(1)
    scale = torch.where(degree > 0, degree.clamp(min=1e-12).rsqrt(), torch.zeros_like(degree))
    out = scale.unsqueeze(1) * kept * scale
    return torch.where(stored > 0, out.clamp(min=1e-7), out) if kind.endswith("clamp") else out


HAND = torch.tensor([[1.0, 0.0], [1.0, 0.1], [0.0, 1.0]])


def test_hand_computed_case() -> None:
    expected = [[0.5012, 0.4988, 0.0], [0.4988, 0.5012, 0.0], [0.0, 0.0672, 0.9095]]
    matrix = built(HAND, 2)
    torch.testing.assert_close(matrix, torch.tensor(expected), atol=5e-5, rtol=0)
    torch.testing.assert_close(matrix.sum(1), torch.tensor([1.0, 1.0, 0.9767]), atol=5e-5, rtol=0)


@pytest.mark.parametrize("kind", get_args(Kind))
@pytest.mark.parametrize("k", [1, 4, 30])
def test_equals_dense(kind: str, k: int) -> None:
    x = torch.randn(30, 3, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(built(x, k, kind), dense(x, k, kind), atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("k", [1, 3, 10])
def test_binary_weights_are_one_over_k(k: int) -> None:
    x = torch.randn(20, 4, generator=torch.Generator().manual_seed(1))
    matrix = built(x, k, "bin_sym")
    torch.testing.assert_close(matrix[matrix != 0], torch.full((20 * k,), 1 / k))
    torch.testing.assert_close(matrix.sum(1), torch.ones(20))


def test_clamp_raises_stored_weights_only() -> None:
    x = torch.tensor([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [-1.0, 1.0]])
    plain, clamped = built(x, 3), built(x, 3, "cos_sym_clamp")
    assert plain.min() < 0
    positive = plain > 1e-7
    assert torch.equal(clamped[positive], plain[positive])
    assert set(clamped[~positive].tolist()) == {0.0, torch.tensor(1e-7).item()}
    assert int((clamped != 0).sum()) == 12


def test_negative_and_zero_row_sums_weigh_nothing() -> None:
    x = torch.tensor([[1.0, 0.0], [-1.0, 0.1], [-1.0, -0.1], [0.0, 0.0]])
    matrix = built(x, 4)
    assert matrix.isfinite().all()
    assert not matrix[0].any() and not matrix[:, 0].any()  # row sum 1 - 0.995 - 0.995
    assert not matrix[3].any()


@pytest.mark.parametrize("kind", get_args(Kind))
def test_an_item_without_the_modality_has_no_weight(kind: str) -> None:
    data = ItemKNNGraph(6, kind)(tiny_data(missing=3))  # type: ignore[arg-type]
    text = graph.item_graph(data, "text", kind).dense()
    assert not text[3:6].any() and not text[:, 3:6].any()
    assert graph.item_graph(data, "image", kind).dense()[3:6].any(1).all()


def test_identical_rows_get_identical_neighbours_but_themselves_first() -> None:
    x = torch.randn(12, 4, generator=torch.Generator().manual_seed(2))
    x[5] = x[2]
    data = ItemKNNGraph(4)(items_with(x))
    edges = data["item", "similar_image", "item"].edge_index
    neighbours = [set(edges[1][edges[0] == item].tolist()) for item in (2, 5)]
    assert neighbours[0] == neighbours[1] >= {2, 5}


def test_relation_and_operator_hold_the_same_edges() -> None:
    data = tiny_data()
    out = ItemKNNGraph(5, modalities=("text",))(data)
    relation = out["item", "similar_text", "item"]
    operator = graph.item_graph(out, "text")
    assert torch.equal(relation.edge_index, operator.edge_index())
    assert torch.equal(relation.edge_weight, operator.value)
    assert relation.edge_index.size(1) == 5 * 40
    assert not graph.has_operator(out, "item_image_cos_sym")
    assert not graph.has_operator(data, "item_text_cos_sym")


def test_k_is_cut_to_the_number_of_items() -> None:
    torch.testing.assert_close(built(HAND, 99), built(HAND, 3))


def test_another_k_is_built_again_whatever_was_built_between() -> None:
    data = ItemKNNGraph(10, "cos_sym")(tiny_data())
    data = ItemKNNGraph(4, "bin_sym")(data)
    first = graph.item_graph(data, "text")
    data = ItemKNNGraph(10, "cos_sym")(data)
    assert graph.item_graph(data, "text") is first
    data = ItemKNNGraph(4, "cos_sym")(data)
    assert graph.item_graph(data, "text").nnz == 4 * 40


def test_a_k_for_each_modality() -> None:
    k = {"text": 3, "image": 7}
    data = ItemKNNGraph(k)(ItemKNNGraph(5)(tiny_data()))
    for m in k:
        alone = ItemKNNGraph(k[m], modalities=(m,))(tiny_data())
        assert torch.equal(graph.item_graph(data, m).dense(), graph.item_graph(alone, m).dense())
    again = ItemKNNGraph(k)(data)
    assert all(graph.item_graph(again, m) is graph.item_graph(data, m) for m in k)
    with pytest.raises(ConfigError, match="k: got a number for text, image, .* 'audio' too"):
        ItemKNNGraph(k)(tiny_data(modalities=("image", "text", "audio")))
    with pytest.raises(
        ConfigError, match=r"k\['image'\]: got 0, expected a whole number, 1 or more"
    ):
        ItemKNNGraph({"text": 3, "image": 0})
    with pytest.raises(ConfigError, match="k: got a number for .* expected one for 'image'"):
        ItemKNNGraph({})(tiny_data())


def test_the_recall_of_the_search_is_kept_with_the_relation(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("MRDIB_GRAPH_CACHE", str(tmp_path))
    monkeypatch.setattr(graph_cache, "_MINIMUM_BYTES", 0)
    monkeypatch.setattr(graph_cache.cached, "__defaults__", (None, 0))
    asked = []

    def search(x: Tensor, k: int, mask: Tensor | None, how: str, name: str) -> Neighbors:
        asked.append((how, name))
        return Neighbors(*knn(x, k, mask), 0.875 if how == "faiss" else 1.0)

    monkeypatch.setattr(module, "neighbor_search", search)
    monkeypatch.setattr(module, "check_search", lambda _: None)
    for _ in range(2):  # the second time it comes from the cache
        for how, recall in (("faiss", 0.875), ("exact", 1.0)):
            data = ItemKNNGraph(2, search=how)(items_with(HAND))  # type: ignore[arg-type]
            assert data["item", "similar_image", "item"].search_recall == recall
    assert asked == [(how, "item kNN graph of 'image'") for how in ("faiss", "exact")]


def test_errors_and_repr() -> None:
    assert repr(ItemKNNGraph(3, "bin_sym")) == "ItemKNNGraph(k=3, kind='bin_sym')"
    with pytest.raises(ConfigError, match="kind: got 'cos', expected cos_sym, "):
        ItemKNNGraph(3, "cos")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="k: got 0, expected a whole number, 1 or more"):
        ItemKNNGraph(0)
    with pytest.raises(ConfigError, match="search: got 'best', expected auto, "):
        ItemKNNGraph(3, search="best")  # type: ignore[arg-type]
