"""LightGCN against the hand-computed graph and against PyTorch Geometric."""

import pytest
import torch
from torch import Tensor
from torch_geometric.data import HeteroData
from torch_geometric.nn import LightGCN as PyGLightGCN

from mrdib_graph import graph
from mrdib_graph.backbones import LightGCN
from mrdib_graph.errors import ConfigError
from mrdib_graph.losses import emb_norm, l2_half
from mrdib_graph.recommender import Recommender
from mrdib_graph.testing import tiny_data
from mrdib_graph.typing import Triplets


def ids(backbone: LightGCN, data: HeteroData) -> Tensor:
    """Propagated rows of all nodes, users first."""
    tables = backbone.encode(backbone.prepare(data))
    return torch.cat([tables["user"]["id"], tables["item"]["id"]]).detach()


@pytest.mark.parametrize(
    ("num_layers", "expected"),
    [
        (0, [1.0, 2.0, 3.0, 4.0]),
        (1, [2.5607, 2.4142, 1.8536, 2.9571]),
        (2, [2.1928, 2.0607, 2.2071, 3.3250]),
    ],
)
def test_hand_computed(two_by_two: HeteroData, num_layers: int, expected: list[float]) -> None:
    backbone = LightGCN.from_data(two_by_two, embedding_dim=1, num_layers=num_layers)
    with torch.no_grad():
        backbone.user.weight.copy_(torch.tensor([[1.0], [2.0]]))
        backbone.item.weight.copy_(torch.tensor([[3.0], [4.0]]))
    out = ids(backbone, two_by_two).squeeze(1)
    torch.testing.assert_close(out, torch.tensor(expected), atol=5e-5, rtol=0)


def test_no_layer_is_matrix_factorisation() -> None:
    data = tiny_data()
    backbone = LightGCN.from_data(data, embedding_dim=4, num_layers=0)
    user, item = Recommender(backbone).tables(data)
    assert torch.equal(user, backbone.user.weight) and torch.equal(item, backbone.item.weight)


@pytest.mark.parametrize("num_layers", [1, 2, 4])
def test_agrees_with_pyg(num_layers: int) -> None:
    data = tiny_data()
    users, items = graph.num_users(data), graph.num_items(data)
    backbone = LightGCN.from_data(data, embedding_dim=8, num_layers=num_layers)
    other = PyGLightGCN(users + items, 8, num_layers)
    with torch.no_grad():
        other.embedding.weight.copy_(torch.cat([backbone.user.weight, backbone.item.weight]))
    user, item = graph.interactions(data, "train")
    edges = torch.stack([user, item + users])
    edges = torch.cat([edges, edges.flip(0)], dim=1)
    torch.testing.assert_close(ids(backbone, data), other.get_embedding(edges).detach())

    batch = Triplets(
        torch.tensor([0, 1, 2]), torch.tensor([3, 4, 5]), torch.tensor([[6], [7], [8]])
    )
    mine = Recommender(backbone)
    mine.loss(backbone.prepare(data), batch)["ranking"].backward()
    embedded = other.get_embedding(edges)
    pos = (embedded[batch.user] * embedded[batch.pos_item + users]).sum(1)
    neg = (embedded[batch.user] * embedded[batch.neg_item[:, 0] + users]).sum(1)
    other.recommendation_loss(pos, neg, lambda_reg=0.0).backward()
    grad = torch.cat([backbone.user.weight.grad, backbone.item.weight.grad])
    torch.testing.assert_close(grad, other.embedding.weight.grad, atol=1e-6, rtol=1e-4)


def test_validation_and_test_pairs_are_not_read() -> None:
    data, other = tiny_data(), tiny_data()
    store = other["user", "interacts", "item"]
    held_out = ~store.train_mask
    store.edge_index = store.edge_index.clone()
    store.edge_index[1, held_out] = (store.edge_index[1, held_out] + 1) % 40
    backbone = LightGCN.from_data(data, embedding_dim=4)
    assert torch.equal(ids(backbone, data), ids(backbone, other))


def test_regulariser_reads_the_layer_0_rows() -> None:
    data = tiny_data()
    batch = Triplets(torch.tensor([0, 1]), torch.tensor([3, 4]), torch.tensor([[6, 5], [7, 9]]))
    for norm, function in (("unsquared", emb_norm), ("squared", l2_half)):
        backbone = LightGCN.from_data(data, embedding_dim=4, reg=0.5, reg_norm=norm)
        recommender = Recommender(backbone)
        terms = recommender.loss(backbone.prepare(data), batch)
        rows = (
            backbone.user.weight[batch.user],
            backbone.item.weight[batch.pos_item],
            backbone.item.weight[batch.neg_item.flatten()],
        )
        torch.testing.assert_close(terms["reg"], function(*rows))
        torch.testing.assert_close(recommender.total(terms), terms["ranking"] + 0.5 * terms["reg"])


def test_has_no_modality() -> None:
    assert LightGCN.from_data(tiny_data()).modalities == []


def test_options() -> None:
    with pytest.raises(ConfigError, match="reg_norm'?: got 'l1'"):
        LightGCN(num_users=3, num_items=4, in_channels={}, reg_norm="l1")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="num_layers'?: got -1"):
        LightGCN(num_users=3, num_items=4, in_channels={}, num_layers=-1)
