"""LGMRec against its equations, written with dense matrices and loops."""

import itertools
import math

import pytest
import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from mrdib_graph import graph
from mrdib_graph.backbones import CONTEXT, LGMRec
from mrdib_graph.errors import ConfigError
from mrdib_graph.losses import emb_norm
from mrdib_graph.recommender import Recommender
from mrdib_graph.testing import tiny_data
from mrdib_graph.typing import Terms, Triplets

BATCH = Triplets(torch.tensor([0, 1, 1]), torch.tensor([3, 3, 5]), torch.tensor([[6], [7], [8]]))
THREE = ("image", "text", "audio")


def made(data: HeteroData, **options) -> LGMRec:
    torch.manual_seed(0)
    return LGMRec.from_data(data, **{"embedding_dim": 8, **options})


def terms_of(backbone: LGMRec, data: HeteroData, batch: Triplets = BATCH) -> Terms:
    """In eval mode, so that the rows can be compared with the tables."""
    return Recommender(backbone).eval().loss(backbone.prepare(data), batch)


def interactions(data: HeteroData) -> Tensor:
    r = torch.zeros(graph.num_users(data), graph.num_items(data))
    user, item = graph.interactions(data, "train")
    r[user, item] = 1
    return r


def unit(x: Tensor) -> Tensor:
    return x / x.norm(dim=1, keepdim=True).clamp(min=1e-12)


def dense_tables(backbone: LGMRec, data: HeteroData, layers: int, hyper_layers: int) -> Tensor:
    """Users and items of section 'equations' of the class, [U + I, d]."""
    r = interactions(data)
    users, items = r.shape
    a = torch.zeros(users + items, users + items)
    a[:users, users:], a[users:, :users] = r, r.T
    scale = torch.where(a.sum(1) > 0, a.sum(1) ** -0.5, torch.zeros(1))
    s = scale.unsqueeze(1) * a * scale
    ids = torch.cat([backbone.user.weight, backbone.item.weight])
    c = sum(torch.matrix_power(s, k) @ ids for k in range(layers + 1)) / (layers + 1)
    out, hyper = c, 0
    for m in backbone.modalities:
        x, present = graph.item_features(data, m)
        f = x @ backbone.project[m].linear.weight.T
        mean = torch.stack(
            [sum(f[i] for i in row.nonzero()) / row.sum() if row.any() else 0 * f[:1] for row in r]
        ).squeeze(1)
        e = s @ s @ torch.cat([mean, f])
        e[users:] *= present.unsqueeze(1)
        out = out + unit(e)
        logits = x @ backbone.hyperedges[m].linear.weight.T
        item = torch.exp(logits / 0.2) / torch.exp(logits / 0.2).sum(1, keepdim=True)
        item = item * present.unsqueeze(1)
        logits = r @ logits
        user = torch.exp(logits / 0.2) / torch.exp(logits / 0.2).sum(1, keepdim=True)
        y = c[users:]
        for _ in range(hyper_layers):
            edges = item.T @ y
            y = item @ edges
        factor = (item.size(1) / items) ** hyper_layers
        hyper = hyper + factor * torch.cat([user @ edges, y])
    return out + backbone.alpha * unit(hyper)


@pytest.mark.parametrize("modalities", [THREE[:1], THREE[:2], THREE])
@pytest.mark.parametrize("hyper_layers", [1, 3])
def test_tables_are_the_formula(modalities: tuple[str, ...], hyper_layers: int) -> None:
    data = tiny_data(modalities=modalities, missing=3)
    for m in modalities:
        data[m].x *= 0.1  # of several hyperedges, not of one
    backbone = made(data, num_hyper_layers=hyper_layers, alpha=0.7)
    user, item = Recommender(backbone).tables(data)
    expected = dense_tables(backbone, data, 2, hyper_layers).detach()
    torch.testing.assert_close(torch.cat([user, item]), expected, atol=1e-5, rtol=1e-4)


def test_without_alpha_only_the_local_part_is_scored() -> None:
    data = tiny_data()
    backbone = made(data, alpha=0.0).eval()
    rows = backbone.encode(backbone.prepare(data))
    for node_type, table in zip(("user", "item"), Recommender(backbone).tables(data), strict=True):
        h = rows[node_type]
        local = h["id"] + unit(h["image"]) + unit(h["text"])
        torch.testing.assert_close(table, local.detach())
    with torch.no_grad():
        backbone.hyperedges["image"].linear.weight.add_(1)
    torch.testing.assert_close(Recommender(backbone).tables(data)[1], local.detach())


def test_the_global_part_is_a_unit_row() -> None:
    data = tiny_data()
    backbone = made(data, alpha=0.3).eval()
    tables = Recommender(backbone).tables(data)
    backbone.alpha = 0.0
    for table, local in zip(tables, Recommender(backbone).tables(data), strict=True):
        norms = (table - local).norm(dim=1)
        torch.testing.assert_close(norms, torch.full_like(norms, 0.3))


def test_id_rows_of_the_two_by_two_graph(two_by_two: HeteroData) -> None:
    backbone = made(two_by_two, embedding_dim=1)
    with torch.no_grad():
        backbone.user.weight.copy_(torch.tensor([[1.0], [2.0]]))
        backbone.item.weight.copy_(torch.tensor([[3.0], [4.0]]))
    tables = backbone.encode(backbone.prepare(two_by_two))
    ids = torch.cat([tables["user"]["id"], tables["item"]["id"]]).squeeze(1).detach()
    torch.testing.assert_close(
        ids, torch.tensor([2.1928, 2.0607, 2.2071, 3.3250]), atol=1e-4, rtol=0
    )


def test_modality_rows_of_the_two_by_two_graph(two_by_two: HeteroData) -> None:
    # f = (0.5, -1); users start at the means (-0.25, -1); S^2 = [[.75, .3536, ..], ..]
    backbone = made(two_by_two, embedding_dim=1)
    with torch.no_grad():
        backbone.project["text"].linear.weight.fill_(1.0)
    tables = backbone.encode(backbone.prepare(two_by_two))
    root = math.sqrt(0.5) / 2
    users = [0.75 * -0.25 + root * -1, root * -0.25 + 0.5 * -1]
    items = [0.5 * 0.5 + root * -1, root * 0.5 + 0.75 * -1]
    rows = torch.cat([tables["user"]["text"], tables["item"]["text"]]).squeeze(1)
    torch.testing.assert_close(rows.detach(), torch.tensor(users + items))


def test_a_missing_modality_contributes_nothing() -> None:
    data = tiny_data(missing=2)
    backbone = made(data).eval()
    ready = backbone.prepare(data)
    rows = backbone.encode(ready)["item"]
    for name in ("text", "hyper_text"):
        assert not rows[name][3:5].any() and rows[name][5:-1].any(1).all()
    with torch.no_grad():
        backbone.conv.num_layers = 0  # the item's own ID row alone reaches its hyperedges
        before = backbone.encode(ready)["user"]["hyper_text"]
        backbone.item.weight[3:5] += 1
        torch.testing.assert_close(backbone.encode(ready)["user"]["hyper_text"], before)
        backbone.item.weight[5] += 1
        assert not torch.allclose(backbone.encode(ready)["user"]["hyper_text"], before)


def contrast_by_loop(backbone: LGMRec, data: HeteroData, batch: Triplets) -> Tensor:
    context = backbone.encode(backbone.prepare(data))[CONTEXT]
    masks = {m: graph.item_features(data, m)[1] for m in backbone.modalities}
    total = torch.zeros(())
    for one, other in itertools.combinations(backbone.modalities, 2):
        for node_type, index in (("user", batch.user), ("item", batch.pos_item)):
            a = unit(context[f"{node_type}_{one}"])
            b = unit(context[f"{node_type}_{other}"])
            everyone = range(b.size(0))
            if node_type == "item":
                everyone = [i for i in everyone if masks[other][i]]
                index = [i for i in index if masks[one][i] and masks[other][i]]
            for k in index:
                scores = {int(n): torch.exp(a[k] @ b[n] / 0.2) for n in everyone}
                total = total - torch.log(scores[int(k)] / sum(scores.values()))
    return total


@pytest.mark.parametrize("modalities", [THREE[:2], THREE])
@pytest.mark.parametrize("missing", [0, 1, 8])
def test_contrast_sums_over_the_batch_among_all_nodes(
    modalities: tuple[str, ...], missing: int
) -> None:
    data = tiny_data(modalities=modalities, missing=missing)
    backbone = made(data).eval()
    expected = contrast_by_loop(backbone, data, BATCH)
    torch.testing.assert_close(terms_of(backbone, data)["contrast"], expected)


def test_contrast_where_no_positive_has_both() -> None:
    data = tiny_data()
    backbone = made(data).eval()
    only = Triplets(BATCH.user, torch.tensor([3, 3, 3]), BATCH.neg_item)
    expected = contrast_by_loop(backbone, data, only)
    torch.testing.assert_close(terms_of(backbone, data, only)["contrast"], expected)


def test_one_modality_has_no_contrast() -> None:
    data = tiny_data(modalities=("image",))
    assert set(terms_of(made(data), data)) == {"ranking", "reg"}


def test_terms_and_their_weights() -> None:
    data = tiny_data()
    backbone = made(data)
    user, item = Recommender(backbone).tables(data)
    terms = terms_of(backbone, data)
    assert set(terms) == {"ranking", "contrast", "reg"}
    expected = emb_norm(user[BATCH.user], item[BATCH.pos_item], item[BATCH.neg_item.flatten()])
    torch.testing.assert_close(terms["reg"].detach(), expected)
    weighted = terms["ranking"] + 1e-4 * terms["contrast"] + 1e-6 * terms["reg"]
    torch.testing.assert_close(Recommender(backbone).total(terms), weighted)
    assert set(terms_of(made(data, reg=0.0, contrast_weight=0.0), data)) == {"ranking"}


def test_noise_in_training_only() -> None:
    data = tiny_data()
    backbone = made(data, dropout=0.0)
    ready = backbone.prepare(data)
    one, two = (backbone.encode(ready) for _ in range(2))
    for node_type in ("user", "item"):
        assert not torch.equal(one[node_type]["hyper_text"], two[node_type]["hyper_text"])
        assert torch.equal(one[node_type]["text"], two[node_type]["text"])
    backbone.eval()
    one, two = (backbone.encode(ready) for _ in range(2))
    assert torch.equal(one["user"]["hyper_text"], two["user"]["hyper_text"])


@pytest.mark.parametrize("modalities", [THREE[:1], THREE])
def test_every_parameter_is_trained(modalities: tuple[str, ...]) -> None:
    data = tiny_data(modalities=modalities)
    backbone = made(data)
    recommender = Recommender(backbone)
    recommender.total(recommender.loss(backbone.prepare(data), BATCH)).backward()
    assert all(bool(p.grad.any()) for p in backbone.parameters())


def test_start_of_the_maps() -> None:
    backbone = LGMRec(num_users=3, num_items=4, in_channels={"image": 400}, num_hyperedges=20)
    weights = (backbone.project["image"].linear.weight, backbone.hyperedges["image"].linear.weight)
    for weight, fan in zip(weights, (464, 420), strict=True):
        bound = math.sqrt(6 / fan)  # Xavier uniform
        assert 0.95 * bound < float(weight.detach().abs().max()) <= bound
    assert not [name for name, _ in backbone.named_parameters() if "bias" in name]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_hyper_layers": 0}, "num_hyper_layers'?: got 0, expected a whole number, 1 or more"),
        ({"num_hyperedges": 0}, "num_hyperedges'?: got 0, expected a whole number, 1 or more"),
        ({"dropout": 1.0}, "dropout'?: got 1.0, expected a probability below 1"),
        ({"temperature": 0.0}, "temperature'?: got 0.0, expected more than 0"),
        ({"hyper_temperature": 0.0}, "hyper_temperature'?: got 0.0, expected more than 0"),
    ],
)
def test_options(options: dict[str, float], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        LGMRec.from_data(tiny_data(), **options)


def test_needs_a_modality() -> None:
    with pytest.raises(ConfigError, match="no modality"):
        LGMRec(num_users=3, num_items=4, in_channels={})
