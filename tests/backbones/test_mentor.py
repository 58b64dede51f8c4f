"""MENTOR against its equations."""

import itertools
import math

import pytest
import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from mrdib_graph import graph
from mrdib_graph.backbones import CONTEXT, DRAGON, MENTOR
from mrdib_graph.errors import ConfigError
from mrdib_graph.losses import info_nce
from mrdib_graph.recommender import Recommender
from mrdib_graph.testing import tiny_data
from mrdib_graph.typing import Triplets

BATCH = Triplets(torch.tensor([0, 1, 1]), torch.tensor([3, 3, 5]), torch.tensor([[6], [7], [8]]))
WEIGHTS = {"image": 1.0, "text": 9.0}


def made(data: HeteroData, **options) -> MENTOR:
    torch.manual_seed(0)
    backbone = MENTOR.from_data(data, **{"embedding_dim": 8, "k": 4, **options})
    torch.nn.init.normal_(backbone.weights)
    return backbone


def item_graph(ready: HeteroData) -> Tensor:
    image, text = (graph.item_graph(ready, m, "bin_sym").dense() for m in ("image", "text"))
    return 0.1 * image + 0.9 * text


def table(backbone: MENTOR, ready: HeteroData, users: list[Tensor], items: list[Tensor]) -> Tensor:
    """A table [U + I, 2 d] of the form that all have."""
    w = backbone.weights
    v = torch.cat([w[:, [0]] * users[0], w[:, [1]] * users[1]], dim=1)
    q = torch.cat(items, dim=1)
    return torch.cat([v, q + item_graph(ready) @ q])


def test_tables_are_the_formula() -> None:
    data = tiny_data()
    backbone = made(data, modality_weights=WEIGHTS)
    ready = backbone.prepare(data)
    rows = backbone.eval().encode(ready)
    assert list(rows) == ["user", "item"]
    sides = ([rows[t][m] for m in ("image", "text")] for t in ("user", "item"))
    expected = table(backbone, ready, *sides)
    user, item = Recommender(backbone).tables(data)
    torch.testing.assert_close(torch.cat([user, item]), expected.detach())


def test_it_is_dragon_without_the_user_graph() -> None:
    data = tiny_data()
    backbone = made(data, contrast_weight=0.0, align_weight=0.0)
    dragon = DRAGON.from_data(data, embedding_dim=8, k=4)
    dragon.load_state_dict({**backbone.state_dict(), "companions.draw_seed": torch.tensor(0)})
    mine, theirs = (Recommender(b).tables(data) for b in (backbone, dragon))
    torch.testing.assert_close(mine[1], theirs[1])
    assert not torch.allclose(mine[0], theirs[0])


def test_alignment_of_whole_tables() -> None:
    data = tiny_data()
    backbone = made(data, modality_weights=WEIGHTS, contrast_weight=0.0)
    ready = backbone.prepare(data)
    terms = Recommender(backbone).loss(ready, BATCH)
    assert backbone.id_gcn is not None
    ids = backbone.id_gcn(backbone.id_feature, None, graph.user_item_graph(ready, "sym"))
    rows = backbone.encode(ready)
    user, item = rows["user"], rows["item"]
    tables = [
        table(
            backbone,
            ready,
            [user["image"], user["text"]],
            [item["image"], item["text"]],
        ),
        table(backbone, ready, [ids[0], ids[0]], [ids[1], ids[1]]),
        *(table(backbone, ready, [user[m]] * 2, [item[m]] * 2) for m in ("image", "text")),
    ]
    expected = sum(
        (a.var() - b.var()).abs() + (a.mean() - b.mean()).abs()
        for a, b in itertools.combinations(tables, 2)
    )
    torch.testing.assert_close(terms["align"], expected, atol=1e-5, rtol=1e-5)
    mine = torch.autograd.grad(terms["align"], backbone.weights, retain_graph=True)
    theirs = torch.autograd.grad(expected, backbone.weights)
    torch.testing.assert_close(mine, theirs, atol=1e-6, rtol=1e-4)


def test_contrast_of_the_noisy_views() -> None:
    data = tiny_data()
    backbone = made(data, modality_weights=WEIGHTS, noise=0.0, temperature=0.4)
    ready = backbone.prepare(data)
    views = []
    for encoders in backbone.noisy:
        users, items = encoders(ready)
        sides = ([of_type[m] for m in ("image", "text")] for of_type in (users, items))
        views.append(torch.nn.functional.normalize(table(backbone, ready, *sides), dim=1))
    expected = 0.0
    for side in (slice(30), slice(30, 70)):
        scores = views[0][side] @ views[1][side].T / 0.4
        expected = expected + torch.nn.functional.cross_entropy(scores, torch.arange(len(scores)))
    terms = Recommender(backbone).loss(ready, BATCH)
    torch.testing.assert_close(terms["contrast"], expected, atol=1e-5, rtol=1e-5)


def test_a_sampled_contrast_is_that_of_all_on_average() -> None:
    """Value and gradient over 400 draws, within four standard errors of that of every row."""
    data = tiny_data()
    backbone = made(data, noise=0.0, temperature=0.4, contrast_rows=6)
    ready = backbone.prepare(data)

    def drawn() -> Tensor:
        loss = Recommender(backbone).loss(ready, BATCH)["contrast"]
        (gradient,) = torch.autograd.grad(loss, backbone.weights)
        return torch.cat([loss.detach().view(1), gradient.flatten()])

    draws = torch.stack([drawn() for _ in range(400)])
    assert (draws[0] - draws[1]).abs().max() > 0
    backbone.contrast_rows = None
    everyone = drawn()
    error = draws.std(0) / 400**0.5
    assert bool(((draws.mean(0) - everyone).abs() <= 4 * error + 1e-6).all())
    backbone.contrast_rows = 40  # no fewer than there are
    torch.testing.assert_close(drawn(), everyone, rtol=0, atol=0)


def test_a_sampled_contrast_compares_no_more_than_its_rows(monkeypatch) -> None:
    data = tiny_data()
    backbone = made(data, contrast_rows=6)
    shapes = []

    def told(a: Tensor, b: Tensor, temperature: float, candidates: Tensor) -> Tensor:
        shapes.append((a.size(0), b.size(0), candidates.size(0)))
        return info_nce(a, b, temperature, candidates)

    monkeypatch.setattr("mrdib_graph.backbones.mentor.info_nce", told)
    Recommender(backbone).loss(backbone.prepare(data), BATCH)
    assert shapes == [(6, 6, 30), (6, 6, 40)]


def test_noise_makes_the_views_differ_between_steps_and_leaves_the_score() -> None:
    data = tiny_data()
    backbone = made(data)
    ready = backbone.prepare(data)
    one, two = (backbone.encode(ready) for _ in range(2))
    assert not torch.equal(one[CONTEXT]["user_0"], two[CONTEXT]["user_0"])
    assert torch.equal(one["user"]["image"], two["user"]["image"])
    noise = {g.noise for encoders in backbone.noisy for g in encoders.gcn.values()}
    assert noise == {0.1} and {g.noise for g in backbone.encoders.gcn.values()} == {0.0}


@pytest.mark.parametrize(
    ("term", "trained"),
    [
        ("ranking", {"encoders", "weights"}),
        ("contrast", {"noisy", "weights"}),
        ("align", {"encoders", "weights", "id_feature", "id_gcn"}),
    ],
)
def test_what_each_term_trains(term: str, trained: set[str]) -> None:
    data = tiny_data()
    backbone = made(data)
    Recommender(backbone).loss(backbone.prepare(data), BATCH)[term].backward()
    for name, parameter in backbone.named_parameters():
        reached = parameter.grad is not None and bool(parameter.grad.any())
        assert reached == (name.split(".")[0] in trained), name


def test_switches_leave_out_what_they_would_train() -> None:
    data = tiny_data()
    bare = made(data, align_weight=0.0, contrast_weight=0.0, reg=0.0)
    assert {n.split(".")[0] for n, _ in bare.named_parameters()} == {"encoders", "weights"}
    assert list(Recommender(bare).loss(bare.prepare(data), BATCH)) == ["ranking"]
    assert not bare.encode(bare.prepare(data))[CONTEXT]
    full = made(data)
    terms = Recommender(full).loss(full.prepare(data), BATCH)
    assert list(terms) == ["ranking", "reg", "align", "contrast"]
    assert full.loss_weights["ranking"] == pytest.approx(1 / math.log(2))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"k": 0}, "k'?: got 0, expected a whole number, 1 or more"),
        ({"temperature": 0.0}, "temperature'?: got 0.0, expected more than 0"),
        (
            {"contrast_rows": 0},
            "contrast_rows'?: got 0, expected a whole number, 1 or more or null",
        ),
        ({"noise": -1.0}, "noise'?: got -1.0, expected 0 or more"),
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
        MENTOR(num_users=3, num_items=4, in_channels={})
