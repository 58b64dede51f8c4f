"""DRAGON against its equations."""

import math

import pytest
import torch
from torch_geometric.data import HeteroData

from mrdib_graph import graph
from mrdib_graph.backbones import DRAGON, DualGNN
from mrdib_graph.errors import ConfigError
from mrdib_graph.recommender import Recommender
from mrdib_graph.sparse import SparseMatrix
from mrdib_graph.testing import tiny_data
from mrdib_graph.typing import Triplets

BATCH = Triplets(torch.tensor([0, 1, 1]), torch.tensor([3, 3, 5]), torch.tensor([[6], [7], [8]]))
WEIGHTS = {"image": 1.0, "text": 9.0}


def made(data: HeteroData, **options) -> DRAGON:
    torch.manual_seed(0)
    backbone = DRAGON.from_data(data, **{"embedding_dim": 8, "k": 4, "user_k": 5, **options})
    torch.nn.init.normal_(backbone.weights)
    return backbone


@pytest.mark.parametrize("layers", [1, 2])
def test_tables_are_the_formula(layers: int) -> None:
    data = tiny_data()
    backbone = made(data, modality_weights=WEIGHTS, pad="none", num_item_layers=layers)
    ready = backbone.prepare(data)
    rows = backbone.encode(ready)
    image, text = (graph.item_graph(ready, m, "bin_sym").dense() for m in ("image", "text"))
    k = torch.linalg.matrix_power(0.1 * image + 0.9 * text, layers)
    counts = graph.operator(ready, "user_cooccurrence_5").dense()
    g = torch.where(counts > 0, counts, -torch.inf).softmax(1).nan_to_num()
    w = backbone.weights
    v = torch.cat([w[:, [0]] * rows["user"]["image"], w[:, [1]] * rows["user"]["text"]], dim=1)
    q = torch.cat([rows["item"]["image"], rows["item"]["text"]], dim=1)
    user, item = Recommender(backbone).tables(data)
    assert user.shape == (30, 16) and item.shape == (40, 16)
    torch.testing.assert_close(user, (v + g @ v).detach())
    torch.testing.assert_close(item, (q + k @ q).detach())


def test_without_graphs_and_weights_the_score_is_a_sum_over_modalities() -> None:
    data = tiny_data()
    backbone = made(data)
    torch.nn.init.ones_(backbone.weights)
    ready = backbone.prepare(data)
    none = torch.zeros(0, dtype=torch.int64)
    for name, size in (("user_cooccurrence_5", 30), ("item_image_bin_sym", 40)):
        graph.set_operator(ready, name, SparseMatrix.from_edges(none, none, None, (size, size)))
    graph.set_operator(ready, "item_text_bin_sym", graph.item_graph(ready, "image", "bin_sym"))
    rows = backbone.encode(ready)
    out = {t: backbone.propagate(backbone.fuse(rows[t], t), t, ready).out for t in ("user", "item")}
    expected = sum(rows["user"][m] @ rows["item"][m].T for m in ("image", "text"))
    torch.testing.assert_close(out["user"] @ out["item"].T, expected)


def test_encoders_and_user_graph_are_those_of_dualgnn() -> None:
    data = tiny_data()
    backbone = made(data)
    other = DualGNN.from_data(data, embedding_dim=8, user_k=5)
    other.load_state_dict(backbone.state_dict())  # the same names and shapes
    mine, theirs = (b.encode(b.prepare(data)) for b in (backbone, other))
    for t in ("user", "item"):
        for m in ("image", "text"):
            assert torch.equal(mine[t][m], theirs[t][m])


def test_terms_and_gradients() -> None:
    data = tiny_data(modalities=("image", "text", "audio"))
    backbone = made(data, reg=0.5)
    recommender = Recommender(backbone)
    terms = recommender.loss(backbone.prepare(data), BATCH)
    names = [backbone.encoders.gcn[m].preference[BATCH.user] for m in backbone.modalities]
    expected = sum((p**2).mean() for p in [*names, backbone.weights])
    torch.testing.assert_close(terms["reg"], expected)
    assert recommender.loss_weights == {
        "ranking": pytest.approx(1 / math.log(2)),
        "reg": 0.5,
        "reg_fused": 0.0,
    }
    recommender.total({"ranking": terms["ranking"]}).backward()
    for name, parameter in backbone.named_parameters():
        assert parameter.grad is not None and bool(parameter.grad.any()), name
    assert list(Recommender(made(data, reg=0.0)).loss(backbone.prepare(data), BATCH)) == ["ranking"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"k": 0}, "k'?: got 0, expected a whole number, 1 or more"),
        ({"user_k": 0}, "user_k'?: got 0, expected a whole number, 1 or more"),
        ({"num_item_layers": 0}, "num_item_layers'?: got 0, expected a whole number, 1 or more"),
        ({"pad": "zeros"}, "pad'?: got 'zeros', expected resample or none"),
        (
            {"modality_weights": {"sound": 1.0}},
            "modality_weights'?: got sound, expected one",
        ),
    ],
)
def test_options(options: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        made(tiny_data(), **options)


def test_needs_a_modality() -> None:
    with pytest.raises(ConfigError, match="no modality"):
        DRAGON(num_users=3, num_items=4, in_channels={})
