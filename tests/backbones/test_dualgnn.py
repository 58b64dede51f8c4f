"""DualGNN against its equations and the hand-computed cases."""

import math

import pytest
import torch
from torch import Generator, Tensor
from torch_geometric.data import HeteroData

from mrdib_graph import graph
from mrdib_graph.backbones import DualGNN
from mrdib_graph.backbones.preference_encoders import WEIGHTS
from mrdib_graph.errors import ConfigError
from mrdib_graph.mrdib import MRdIB
from mrdib_graph.recommender import Recommender
from mrdib_graph.testing import tiny_data
from mrdib_graph.typing import Triplets

BATCH = Triplets(torch.tensor([0, 1, 1]), torch.tensor([3, 3, 5]), torch.tensor([[6], [7], [8]]))
MODALITIES = ("image", "text", "audio")


def made(data: HeteroData, **options) -> DualGNN:
    torch.manual_seed(0)
    backbone = DualGNN.from_data(data, **{"embedding_dim": 8, **options})
    torch.nn.init.normal_(backbone.weights)
    return backbone


def companions(data: HeteroData, k: int) -> Tensor:
    """G without padding, from the dense counts."""
    r = torch.zeros(graph.num_users(data), graph.num_items(data))
    r[tuple(graph.interactions(data, "train"))] = 1
    counts = (r @ r.T).fill_diagonal_(0)
    out = torch.zeros_like(counts)
    for u, row in enumerate(counts):
        best = sorted(range(len(row)), key=lambda v: (-float(row[v]), v))[:k]
        best = [v for v in best if row[v] > 0]
        if best:
            out[u, best] = row[best].softmax(0)
    return out


@pytest.mark.parametrize("quirk", [False, True])
def test_tables_are_the_formula(quirk: bool) -> None:
    data = tiny_data(modalities=MODALITIES)
    backbone = made(data, inplace_quirk=quirk, pad="none", user_k=5)
    rows = backbone.encode(backbone.prepare(data))
    w, e = backbone.weights, [rows["user"][m] for m in MODALITIES]
    first = e[0] + e[1] + e[2] if quirk else e[0]
    v = w[:, [0]] * first + w[:, [1]] * e[1] + w[:, [2]] * e[2]
    user, item = Recommender(backbone).tables(data)
    torch.testing.assert_close(user, (v + companions(data, 5) @ v).detach())
    items = rows["item"]
    torch.testing.assert_close(item, (items["image"] + items["text"] + items["audio"]).detach())


def test_the_quirk_acts_on_the_codes() -> None:
    """With the text's codes doubled, the first weight reads the doubled ones too."""
    data = tiny_data()
    backbone = made(data)
    h = backbone.encode(backbone.prepare(data))["user"]
    doubled = {**h, "text": 2 * h["text"]}
    added = backbone.fuse(doubled, "user").out - backbone.fuse(h, "user").out
    torch.testing.assert_close(added, (h[WEIGHTS][:, [0]] + h[WEIGHTS][:, [1]]) * h["text"])


def test_without_weights_graph_and_quirk_both_sides_are_one_function() -> None:
    data = tiny_data()
    backbone = made(data, inplace_quirk=False)
    torch.nn.init.ones_(backbone.weights)
    rows = torch.randn(5, 8), torch.randn(5, 8)
    h = dict(zip(backbone.modalities, rows, strict=True))
    user = backbone.fuse({**h, WEIGHTS: torch.ones(5, 2)}, "user").out
    assert torch.equal(user, backbone.fuse(h, "item").out)


def test_one_epoch_one_draw_and_no_draw_without_padding() -> None:
    data = tiny_data()
    resample, none = made(data), made(data, pad="none")
    tables = {}
    for name, backbone in (("resample", resample), ("none", none)):
        for epoch in range(2):
            backbone.prepare_epoch(data, Generator().manual_seed(epoch))
            tables[name, epoch] = Recommender(backbone).tables(data)[0]
            assert torch.equal(Recommender(backbone).tables(data)[0], tables[name, epoch])
    assert not torch.equal(tables["resample", 0], tables["resample", 1])
    assert torch.equal(tables["none", 0], tables["none", 1])
    assert not torch.allclose(tables["resample", 0], tables["none", 0])


def test_terms_and_weights() -> None:
    data = tiny_data()
    backbone = made(data, reg=0.5)
    recommender = Recommender(backbone)
    terms = recommender.loss(backbone.prepare(data), BATCH)
    user, item = recommender.tables(data)
    positive, negative = (
        (user[BATCH.user] * item[index]).sum(1)
        for index in (BATCH.pos_item, BATCH.neg_item.squeeze(1))
    )
    bits = -torch.sigmoid(positive - negative).log2().mean()
    weight = recommender.loss_weights["ranking"]
    assert weight == pytest.approx(1 / math.log(2))
    torch.testing.assert_close(weight * terms["ranking"].detach(), bits)
    preference = [backbone.encoders.gcn[m].preference[BATCH.user] for m in ("image", "text")]
    expected = sum((p**2).mean() for p in [*preference, backbone.weights])
    torch.testing.assert_close(terms["reg"], expected)
    assert recommender.loss_weights["reg"] == 0.5
    assert list(Recommender(made(data, reg=0.0)).loss(backbone.prepare(data), BATCH)) == ["ranking"]


def test_gradients_reach_every_parameter() -> None:
    data = tiny_data(modalities=MODALITIES)
    backbone = made(data, reg=0.0)
    recommender = Recommender(backbone)
    recommender.total(recommender.loss(backbone.prepare(data), BATCH)).backward()
    for name, parameter in backbone.named_parameters():
        assert parameter.grad is not None and bool(parameter.grad.any()), name


def test_codes_of_users_and_items() -> None:
    data = tiny_data()
    backbone = made(data)
    mrdib = MRdIB(backbone.modalities, 8, alpha_kl=0.1, alpha_redundancy=0.1, alpha_unique=0.1)
    recommender = Recommender(backbone, mrdib)
    terms = recommender.loss(backbone.prepare(data), BATCH)
    assert {"kl", "redundancy", "unique"} <= terms.keys()
    codes = recommender.codes(data)
    assert codes["user"]["image"].shape == (30, 8) and codes["item"]["image"].shape == (40, 8)


def test_options() -> None:
    data = tiny_data()
    with pytest.raises(ConfigError, match="pad'?: got 'zeros', expected resample or none"):
        made(data, pad="zeros")
    with pytest.raises(ConfigError, match="user_k'?: got 0, expected a whole number, 1 or more"):
        made(data, user_k=0)
    with pytest.raises(ConfigError, match="no modality"):
        DualGNN(num_users=3, num_items=4, in_channels={})
    assert made(data, user_k=300).user_graph.top == 300
