"""Interest item graphs against dense loops over users and the hand-computed case."""

from functools import partial

import pytest
import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from mrdib_graph import graph
from mrdib_graph.errors import ConfigError, DataError
from mrdib_graph.testing import tiny_data
from mrdib_graph.transforms import InterestItemGraph, ItemKNNGraph, content_order
from mrdib_graph.transforms.graph_cache import cached


def hand_data() -> HeteroData:
    """Users {0, 1} and {2}; items [1, 0], [2, 1], [1, 2] in both modalities."""
    data = HeteroData()
    data["user"].num_nodes, data["item"].num_nodes = 2, 3
    store = data[graph.INTERACTS]
    store.edge_index = torch.tensor([[0, 0, 1], [0, 1, 2]])
    store.train_mask = torch.ones(3, dtype=torch.bool)
    store.val_mask = store.test_mask = ~store.train_mask
    for m in ("image", "text"):
        data[m].x = torch.tensor([[1.0, 0.0], [2.0, 1.0], [1.0, 2.0]])
        data[graph.describes(m)].edge_index = torch.arange(3).repeat(2, 1)
    return data


def interest(data: HeteroData, k: int = 4, **options) -> dict[str, Tensor]:
    """H'_m of each modality: the graph less its kNN part."""
    transform = InterestItemGraph(k, **options)
    out = transform(data)
    near = ItemKNNGraph(k, "cos_sym_clamp")(data)
    return {
        m: graph.item_graph(out, m, transform.kind).dense()
        - graph.item_graph(near, m, "cos_sym_clamp").dense()
        for m in graph.modalities(data)
    }


def dense(data: HeteroData, k_interest: int, count: bool) -> dict[str, Tensor]:
    """A loop over users, on full matrices of cosines."""
    users, size = graph.num_users(data), graph.num_items(data)
    cosine, masks = {}, {}
    key = torch.zeros(size, dtype=torch.float64)
    for m in graph.modalities(data):
        x, masks[m] = graph.item_features(data, m)
        unit = torch.nn.functional.normalize(x.double(), dim=1)
        cosine[m] = unit @ unit.T
        key += sum((c + 1) * x[:, c].double() / x.size(1) for c in range(x.size(1)))
    place = key.argsort(stable=True).argsort().tolist()
    user_of, item_of = graph.interactions(data, "train")
    n = torch.zeros(size, size)
    for user in range(users):
        history = item_of[user_of == user].tolist()
        near = set()
        for m, values in cosine.items():
            score = values[history].sum(0)
            ranked = sorted(
                (-round(float(score[j]) / max(1, len(history)) * 2**20), place[j], j)
                for j in range(size)
                if masks[m][j]
            )
            near |= {j for *_, j in ranked[:k_interest]}
        for i in history:
            for j in near:
                n[i, j] += 1
    out = {}
    for m, values in cosine.items():
        both = masks[m].unsqueeze(1) & masks[m]
        h = (n if count else (n > 0).float()) * values.float() * both
        degree = h.sum(1)
        scale = torch.where(degree > 0, degree.clamp(min=1e-12).rsqrt(), torch.zeros_like(degree))
        weight = (scale.unsqueeze(1) * h * scale).clamp(min=1e-7)
        out[m] = torch.where((n > 0) & both, weight, torch.zeros_like(weight))
    return out


def test_hand_computed_case() -> None:
    expected = [[0.5279, 0.4721, 0.0], [0.4721, 0.5279, 0.0], [0.0, 0.4332, 0.5556]]
    for made in interest(hand_data(), k=2, k_interest=2).values():
        torch.testing.assert_close(made, torch.tensor(expected), atol=5e-5, rtol=0)


def test_one_user_with_all_items_gives_the_cosines() -> None:
    data = hand_data()
    data["user"].num_nodes = 1
    data[graph.INTERACTS].edge_index = torch.tensor([[0, 0, 0], [0, 1, 2]])
    x = torch.nn.functional.normalize(data["image"].x, dim=1)
    cosine = x @ x.T
    scale = cosine.sum(1).rsqrt()
    made = interest(data, k=2, k_interest=3, interest_count=False)["image"]
    torch.testing.assert_close(made, scale.unsqueeze(1) * cosine * scale)


@pytest.mark.parametrize("modalities", [("image",), ("image", "text"), ("image", "text", "audio")])
@pytest.mark.parametrize("count", [True, False])
@pytest.mark.parametrize("k_interest", [1, 4, 99])
def test_equals_a_loop_over_users(
    modalities: tuple[str, ...], count: bool, k_interest: int
) -> None:
    data = tiny_data(modalities=modalities, missing=3)
    made = interest(data, k_interest=k_interest, interest_count=count)
    expected = dense(data, min(k_interest, 40), count)
    for m in modalities:
        # row sums near 0 make large weights of few digits
        torch.testing.assert_close(made[m], expected[m], atol=2e-6, rtol=2e-4)
        assert bool((expected[m] > 1e-3).any())


def test_without_interest_it_is_the_knn_graph() -> None:
    assert not any(bool(part.any()) for part in interest(tiny_data(), k_interest=0).values())


def test_an_item_without_the_modality_has_no_weight() -> None:
    data = tiny_data(missing=3)
    made = interest(data, k_interest=5)["text"]
    assert not made[3:6].any() and not made[:, 3:6].any()


def test_the_number_of_entries_is_bounded() -> None:
    data, transform = tiny_data(), InterestItemGraph(4, 3)
    matrix = graph.item_graph(transform(data), "image", transform.kind)
    edges = graph.interactions(data, "train").size(1)
    assert matrix.nnz <= edges * 2 * 3 + 40 * 4


def test_the_cache_gives_the_same(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder, data = tmp_path_factory.mktemp("graphs"), tiny_data()
    fresh = interest(data, k_interest=3)
    monkeypatch.setattr(content_order, "cached", partial(cached, folder=folder, minimum_bytes=0))
    for _ in range(2):
        made = interest(data, k_interest=3)
        assert all(torch.equal(made[m], fresh[m]) for m in fresh)
    assert len(list(folder.iterdir())) == 1
    interest(data, k_interest=3, interest_count=False)
    assert len(list(folder.iterdir())) == 2


def test_operators_that_are_there_are_kept_and_options_do_not_collide() -> None:
    one, other = InterestItemGraph(4, 2), InterestItemGraph(6, 3, interest_count=False)
    data = other(one(tiny_data()))
    again = one(data)
    for m in graph.modalities(data):
        first = graph.item_graph(data, m, one.kind)
        assert graph.item_graph(again, m, one.kind) is first
        assert first.nnz < graph.item_graph(data, m, other.kind).nnz


def test_errors_and_repr() -> None:
    assert repr(InterestItemGraph(4, 2)) == (
        "InterestItemGraph(k=4, k_interest=2, interest_count=True)"
    )
    with pytest.raises(ConfigError, match="k_interest: got -1, expected a whole number, 0 or more"):
        InterestItemGraph(k_interest=-1)
    with pytest.raises(ConfigError, match="k: got 0, expected a whole number, 1 or more"):
        InterestItemGraph(0)
    with pytest.raises(DataError, match="interest item graph: the graph has no modality"):
        InterestItemGraph()(tiny_data(modalities=()))
