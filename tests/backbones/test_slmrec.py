"""SLMRec against its equations, written with dense matrices and loops."""

import math

import pytest
import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from mrdib_graph import graph
from mrdib_graph.backbones import SLMRec
from mrdib_graph.errors import ConfigError
from mrdib_graph.recommender import Recommender
from mrdib_graph.testing import tiny_data
from mrdib_graph.typing import Terms, Triplets

BATCH = Triplets(
    torch.tensor([0, 1, 2, 2]), torch.tensor([3, 5, 6, 5]), torch.tensor([[6], [7], [8], [9]])
)
THREE = ("image", "text", "audio")


def made(data: HeteroData, **options) -> SLMRec:
    torch.manual_seed(0)
    return SLMRec.from_data(data, **{"embedding_dim": 8, **options})


def terms_of(backbone: SLMRec, data: HeteroData, batch: Triplets = BATCH) -> Terms:
    return Recommender(backbone).loss(backbone.prepare(data), batch)


def dense_sym(data: HeteroData) -> Tensor:
    users, items = graph.num_users(data), graph.num_items(data)
    a = torch.zeros(users + items, users + items)
    user, item = graph.interactions(data, "train")
    a[user, users + item] = a[users + item, user] = 1
    scale = torch.where(a.sum(1) > 0, a.sum(1) ** -0.5, torch.zeros(1))
    return scale.unsqueeze(1) * a * scale


@pytest.mark.parametrize("modalities", [THREE[:1], THREE[:2], THREE])
def test_tables_are_the_formula(modalities: tuple[str, ...]) -> None:
    data = tiny_data(modalities=modalities, missing=3)
    backbone = made(data)
    s = dense_sym(data)
    parts = [backbone.item.weight]
    present = [torch.ones(40, 1)]
    for m in modalities:
        x, mask = graph.item_features(data, m)
        rows = [row / row.norm() if row.any() else row for row in x]
        parts.append(torch.stack(rows) @ backbone.project[m].linear.weight.T)
        present.append(mask.unsqueeze(1))
    users, items = [], []
    for part, here in zip(parts, present, strict=True):
        e = torch.cat([backbone.user.weight, part])
        e = (e + s @ e + s @ s @ e + s @ s @ s @ e) / 4
        users.append(e[:30])
        items.append(e[30:] * here)
    tables = Recommender(backbone).tables(data)
    for name, beside, table in zip(("user", "item"), (users, items), tables, strict=True):
        layer = backbone.fusion[name]
        expected = torch.cat(beside, dim=1) @ layer.weight.T + layer.bias
        torch.testing.assert_close(table, expected.detach())


def test_id_rows_of_the_two_by_two_graph(two_by_two: HeteroData) -> None:
    backbone = made(two_by_two, embedding_dim=1, num_layers=2)
    with torch.no_grad():
        backbone.user.weight.copy_(torch.tensor([[1.0], [2.0]]))
        backbone.item.weight.copy_(torch.tensor([[3.0], [4.0]]))
    tables = backbone.encode(backbone.prepare(two_by_two))
    ids = torch.cat([tables["user"]["id"], tables["item"]["id"]]).squeeze(1).detach()
    torch.testing.assert_close(
        ids, torch.tensor([2.1928, 2.0607, 2.2071, 3.3250]), atol=1e-4, rtol=0
    )


def test_the_size_of_a_feature_row_does_not_matter() -> None:
    data, scaled = tiny_data(), tiny_data()
    scaled["image"].x = scaled["image"].x * torch.linspace(0.01, 100, 40).unsqueeze(1)
    backbone = made(data)
    tables = (Recommender(backbone).tables(each) for each in (data, scaled))
    for one, two in zip(*tables, strict=True):
        torch.testing.assert_close(one, two)


def test_a_missing_modality_contributes_nothing() -> None:
    data = tiny_data(missing=2)
    backbone = made(data)
    text = backbone.encode(backbone.prepare(data))["item"]["text"]
    assert not text[3:5].any() and text[5:].any(1).all()


def test_main_loss_is_a_softmax_within_the_batch() -> None:
    data = tiny_data()
    backbone = made(data)
    user, item = Recommender(backbone).tables(data)
    losses = []
    for u, i in zip(BATCH.user, BATCH.pos_item, strict=True):
        cosines = [user[u] @ item[j] / user[u].norm() / item[j].norm() for j in BATCH.pos_item]
        own = user[u] @ item[i] / user[u].norm() / item[i].norm()
        losses.append(-torch.log(torch.exp(own / 0.2) / sum(torch.exp(c / 0.2) for c in cosines)))
    terms = terms_of(backbone, data)
    torch.testing.assert_close(terms["softmax"].detach(), torch.stack(losses).mean())


def test_main_loss_by_hand() -> None:
    data = tiny_data()
    backbone = made(data)
    other = Triplets(torch.tensor([0, 1]), torch.tensor([5, 5]), torch.tensor([[6], [6]]))
    loss = terms_of(backbone, data, other)["softmax"]  # twice the same item: nothing to tell
    assert float(loss.detach()) == pytest.approx(math.log(2), abs=1e-6)


def test_bpr_is_off_and_negatives_are_not_read() -> None:
    data = tiny_data()
    backbone = made(data, contrast_weight=0.5)
    terms = terms_of(backbone, data)
    assert set(terms) == {"ranking", "softmax", "contrast"}
    total = Recommender(backbone).total(terms)
    torch.testing.assert_close(total, terms["softmax"] + 0.5 * terms["contrast"])
    other = BATCH._replace(neg_item=BATCH.neg_item + 10)
    torch.testing.assert_close(Recommender(backbone).total(terms_of(backbone, data, other)), total)
    assert set(terms_of(made(data, contrast_weight=0.0), data)) == {"ranking", "softmax"}


def cross_entropy(a: list[Tensor], b: list[Tensor], tau: float) -> Tensor:
    losses = []
    for k, row in enumerate(a):
        scores = [torch.exp(row @ other / tau) for other in b]
        losses.append(-torch.log(scores[k] / sum(scores)))
    return torch.stack(losses).mean()


def contrast_by_loop(backbone: SLMRec, data: HeteroData, batch: Triplets) -> Tensor:
    """The chain of maps item by item, over the batch's items that have the modality."""
    rows = backbone.encode(backbone.prepare(data))["item"]
    *middle, last = backbone.modalities
    total = torch.zeros(())
    for m in backbone.modalities:
        here = [int(i) for i in batch.pos_item if graph.item_features(data, m)[1][i]]
        left, right = [], []
        for i in here:
            t = rows["id"][i]
            for n in middle if m not in middle else middle[: middle.index(m) + 1]:
                t = backbone.chain[n].weight @ t + backbone.chain[n].bias
            if m == last:
                steps = backbone.chain[m] if middle else [backbone.chain[m]]
                for step in steps:
                    t = step.weight @ t + step.bias
            left.append(t)
            right.append(backbone.side[m].weight @ rows[m][i] + backbone.side[m].bias)
        if here:
            total = total + cross_entropy(left, right, backbone.contrast_temperature)
    return total


@pytest.mark.parametrize("modalities", [THREE[:1], THREE[:2], THREE])
@pytest.mark.parametrize("missing", [0, 1, 4])
def test_contrast_is_the_formula(modalities: tuple[str, ...], missing: int) -> None:
    data = tiny_data(modalities=modalities, missing=missing)
    backbone = made(data, contrast_temperature=0.5)
    expected = contrast_by_loop(backbone, data, BATCH)
    torch.testing.assert_close(terms_of(backbone, data)["contrast"], expected)


def test_contrast_where_no_positive_has_the_modality() -> None:
    data = tiny_data(modalities=("image",), missing=3)
    only = BATCH._replace(pos_item=torch.tensor([3, 4, 5, 3]))
    assert float(terms_of(made(data), data, only)["contrast"]) == 0


@pytest.mark.parametrize(
    ("modalities", "widths"), [(THREE[:1], [64]), (THREE[:2], [64, 32]), (THREE, [64, 64, 32])]
)
def test_the_last_of_several_modalities_is_met_in_half_the_width(
    modalities: tuple[str, ...], widths: list[int]
) -> None:
    backbone = SLMRec(num_users=3, num_items=4, in_channels=dict.fromkeys(modalities, 5))
    assert [backbone.side[m].out_features for m in modalities] == widths
    row = torch.zeros(64)
    for m, width in zip(modalities, widths, strict=True):
        row = backbone.chain[m](row)
        assert row.numel() == width


@pytest.mark.parametrize("modalities", [THREE[:1], THREE[:2], THREE])
def test_every_parameter_is_trained(modalities: tuple[str, ...]) -> None:
    data = tiny_data(modalities=modalities)
    backbone = made(data)
    recommender = Recommender(backbone)
    recommender.total(recommender.loss(backbone.prepare(data), BATCH)).backward()
    assert all(bool(p.grad.any()) for p in backbone.parameters())


def test_start_of_the_maps() -> None:
    backbone = SLMRec(num_users=3, num_items=4, in_channels={"image": 400, "text": 20})
    weights = [backbone.project["image"].linear.weight, backbone.fusion["user"].weight]
    for weight, fan in zip([*weights, backbone.side["text"].weight], (464, 256, 96), strict=True):
        bound = math.sqrt(6 / fan)  # Xavier uniform
        assert 0.95 * bound < float(weight.detach().abs().max()) <= bound
    assert backbone.project["image"].linear.bias is None


@pytest.mark.parametrize("name", ["temperature", "contrast_temperature"])
def test_options(name: str) -> None:
    with pytest.raises(ConfigError, match=f"'{name}': got 0, expected more than 0"):
        SLMRec.from_data(tiny_data(), **{name: 0})


def test_needs_a_modality() -> None:
    with pytest.raises(ConfigError, match="no modality"):
        SLMRec(num_users=3, num_items=4, in_channels={})
