"""LATTICE against its equations and the hand-computed cases."""

from importlib import import_module

import pytest
import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from mrdib_graph import graph
from mrdib_graph.backbones import LATTICE
from mrdib_graph.errors import ConfigError
from mrdib_graph.losses import l2_half
from mrdib_graph.nn import Neighbors, knn
from mrdib_graph.recommender import Recommender
from mrdib_graph.testing import tiny_data
from mrdib_graph.typing import Rows, Triplets

BATCH = Triplets(torch.tensor([0, 1, 2]), torch.tensor([3, 3, 5]), torch.tensor([[6], [7], [8]]))


def made(data: HeteroData, **options) -> LATTICE:
    torch.manual_seed(0)
    backbone = LATTICE.from_data(data, **{"embedding_dim": 8, "k": 4, **options})
    torch.nn.init.normal_(backbone.alpha)
    return backbone


def weighted(backbone: LATTICE, rows: Rows) -> Tensor:
    parts = zip(backbone.modality_weights, backbone.modalities, strict=True)
    return torch.stack([w * rows[m] for w, m in parts]).sum(0)


def test_hand_computed_user_item_propagation(two_by_two: HeteroData) -> None:
    backbone = made(two_by_two, embedding_dim=1)
    with torch.no_grad():
        backbone.user.weight.copy_(torch.tensor([[1.0], [2.0]]))
        backbone.item.weight.copy_(torch.tensor([[3.0], [4.0]]))
    ready = backbone.prepare(two_by_two)
    sums = graph.user_item_graph(ready, "row_self").row_sum()
    torch.testing.assert_close(sums, torch.ones(4))
    tables = backbone.encode(ready)
    ids = torch.cat([tables["user"]["id"], tables["item"]["id"]]).squeeze(1).detach()
    torch.testing.assert_close(ids, torch.tensor([2.0, 2.5556, 2.4444, 3.0]), atol=5e-5, rtol=0)


def test_score_is_the_formula() -> None:
    data = tiny_data()
    backbone = made(data).eval()
    user, item = Recommender(backbone).tables(data)
    rows = backbone.encode(backbone.prepare(data))
    assert torch.equal(user, rows["user"]["id"])
    h = weighted(backbone, rows["item"])
    expected = rows["item"]["id"] + torch.nn.functional.normalize(h, dim=1)
    torch.testing.assert_close(item, expected.detach())
    added = item - rows["item"]["id"].detach()
    torch.testing.assert_close(added.norm(dim=1), torch.ones(40))


def test_the_user_table_does_not_depend_on_the_features() -> None:
    data, other = tiny_data(), tiny_data()
    other["image"].x = other["image"].x.flip(0) + 1
    backbone = made(data)
    one, two = Recommender(backbone).tables(data), Recommender(backbone).tables(other)
    assert torch.equal(one[0], two[0]) and not torch.allclose(one[1], two[1])


def test_matrix_factorisation_below() -> None:
    data = tiny_data()
    backbone = made(data, cf_model="mf")
    rows = backbone.encode(backbone.prepare(data))
    assert torch.equal(rows["user"]["id"], backbone.user.weight)
    assert torch.equal(rows["item"]["id"], backbone.item.weight)


def test_symmetric_user_item_graph() -> None:
    data = tiny_data()
    backbone = made(data, ui_norm="sym")
    s = graph.user_item_graph(backbone.prepare(data), "sym").dense()
    x = torch.cat([backbone.user.weight, backbone.item.weight])
    expected = (x + s @ x + s @ s @ x) / 3
    rows = backbone.encode(backbone.prepare(data))
    torch.testing.assert_close(rows["user"]["id"], expected[:30])


def test_user_vectors_are_read_by_the_modality_score_only() -> None:
    data = tiny_data()
    backbone, fused = made(data, user_side="vector"), made(data)
    rows = backbone.encode(backbone.prepare(data))
    for m in backbone.modalities:
        assert torch.equal(
            backbone.modality_user(m, rows["user"]), backbone.modality_users.vectors[m].weight
        )
    state = {n: v for n, v in backbone.state_dict().items() if "modality_users" not in n}
    fused.load_state_dict(state)
    rows = fused.encode(fused.prepare(data))
    assert torch.equal(fused.modality_user("image", rows["user"]), rows["user"]["id"])
    tables = [Recommender(b).tables(data) for b in (backbone, fused)]
    assert all(map(torch.equal, *tables))


def test_regulariser_reads_the_fused_rows() -> None:
    data = tiny_data()
    backbone = made(data, reg=0.1)
    user, item = Recommender(backbone).tables(data)
    terms = Recommender(backbone).loss(backbone.prepare(data), BATCH)
    items = torch.cat([BATCH.pos_item, BATCH.neg_item.flatten()])
    torch.testing.assert_close(terms["reg"].detach(), l2_half(user[BATCH.user], item[items]))
    assert "reg" not in Recommender(made(data)).loss(backbone.prepare(data), BATCH)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mix": 1.5}, "mix'?: got 1.5, expected 0 to 1"),
        ({"num_item_layers": 0}, "num_item_layers'?: got 0, expected a whole number, 1 or more"),
        ({"user_side": "max"}, "user_side'?: got 'max', expected fused, mean or vector"),
        ({"cf_model": "ngcf"}, "cf_model'?: got 'ngcf', expected lightgcn or mf"),
        ({"learned_norm": "both"}, "learned_norm'?: got 'both'"),
        ({"ui_norm": "row"}, "ui_norm'?: got 'row', expected row_self or sym"),
        ({"k": 0}, "k'?: got 0, expected a whole number, 1 or more"),
    ],
)
def test_options(options: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        LATTICE.from_data(tiny_data(), **options)


def test_needs_a_modality() -> None:
    with pytest.raises(ConfigError, match="no modality"):
        LATTICE(num_users=3, num_items=4, in_channels={})


def test_the_search_is_that_of_the_raw_and_of_the_learned_graph(monkeypatch) -> None:
    asked = []

    def search(x: Tensor, k: int, mask: Tensor | None, how: str, name: str) -> Neighbors:
        asked.append((how, name))
        return Neighbors(*knn(x, k, mask), 1.0)

    for path in ("mrdib_graph.transforms.item_knn_graph", "mrdib_graph.nn.item_graph_learner"):
        monkeypatch.setattr(import_module(path), "neighbor_search", search)
    data = tiny_data()
    Recommender(made(data, search="exact")).tables(data)
    names = ["item kNN graph of 'image'", "item kNN graph of 'text'", *["learned item graph"] * 2]
    assert asked == [("exact", name) for name in names]
