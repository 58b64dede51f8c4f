"""Explanations of real recommenders: sums, closed forms, dummies, ranks."""

import itertools
import math

import pytest
import torch
from torch import Tensor

from mrdib_graph import backbones, graph, resolver
from mrdib_graph.backbones import BM3, VBPR, Backbone, LGMRec, LightGCN
from mrdib_graph.errors import ConfigError
from mrdib_graph.explanation import COLLABORATIVE, explain, explain_best, players_of
from mrdib_graph.mrdib import MRdIB
from mrdib_graph.recommender import Recommender
from mrdib_graph.serving import Bundle

BACKBONES = sorted(resolver.choices(backbones, Backbone))
USERS, ITEMS = [0, 7, 7, 29], [3, 0, 39, 3]


@torch.no_grad()
def rows_of(model: Recommender, data):
    rows = model.backbone.encode(model.backbone.prepare(data))
    return {t: {name: x.detach() for name, x in rows[t].items()} for t in ("user", "item")}


def make(cls: type[Backbone], data, seed: int = 0, **options) -> Recommender:
    """An untrained recommender with weights large enough for every part to count."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        backbone = cls.from_data(data, embedding_dim=8, **options)
        with torch.no_grad():
            for weight in backbone.parameters():
                weight.add_(0.2 * torch.randn_like(weight))
    return Recommender(backbone)


def centred(rows: Tensor) -> Tensor:
    return rows - rows.mean(0)


@pytest.mark.parametrize("name", BACKBONES)
def test_the_parts_of_every_backbone_add_up(name: str, tiny3) -> None:
    model = make(resolver.resolve_class(name, backbones, Backbone, "backbone"), tiny3)
    model.train()
    players = players_of(model, tiny3)
    rows = sorted(itertools.chain(*players.values()))
    assert len(rows) == len(set(rows)) and set(model.modalities) <= set(rows)
    user, item = model.tables(tiny3)
    for e, u, i in zip(explain(model, tiny3, USERS, ITEMS), USERS, ITEMS, strict=True):
        assert (e.user, e.item) == (u, i)
        assert set(e.contributions) == set(players)
        assert e.score == pytest.approx(float(user[u].double() @ item[i].double()), abs=1e-12)
        assert e.base + sum(e.contributions.values()) == pytest.approx(e.score, abs=1e-12)
    assert model.training and model.backbone.training


@pytest.mark.parametrize("name", ["mgcn", "lattice", "dragon"])
def test_the_mean_over_orders_of_tables(name: str, tiny) -> None:
    """By the definition, from ``Recommender.tables``, without any of the code under test."""
    model = make(resolver.resolve_class(name, backbones, Backbone, "backbone"), tiny)
    players = players_of(model, tiny)
    e = explain(model, tiny, [5], [11])[0]
    total = dict.fromkeys(players, 0.0)
    for order in itertools.permutations(players):
        value = None
        for end in range(len(order) + 1):
            kept = [row for player in order[:end] for row in players[player]]
            user, item = model.tables(tiny, kept)
            score = float(user[5].double() @ item[11].double())
            if value is not None:
                total[order[end - 1]] += (score - value) / math.factorial(len(order))
            value = score
    assert e.contributions == pytest.approx(total, abs=1e-9)


def test_of_vbpr_with_user_vectors_they_are_centred_inner_products(tiny3) -> None:
    model = make(VBPR, tiny3, user_side="vector")
    rows = rows_of(model, tiny3)
    user, item = rows["user"], rows["item"]
    for e in explain(model, tiny3, USERS, ITEMS):
        for name in ("id", "image", "text", "audio"):
            expected = float(user[name][e.user] @ centred(item[name])[e.item])
            player = COLLABORATIVE if name == "id" else name
            assert e.contributions[player] == pytest.approx(expected, abs=1e-5)
        base = sum(float(user[n][e.user] @ item[n].mean(0)) for n in item)
        assert e.base == pytest.approx(base, abs=1e-5)


def test_of_vbpr_with_mrdib_they_are_those_of_the_codes(tiny) -> None:
    backbone = make(VBPR, tiny).backbone
    model = Recommender(backbone, MRdIB(["image", "text"], embedding_dim=8))
    with torch.no_grad():
        for weight in model.mrdib.parameters():
            weight.add_(0.3 * torch.randn(weight.shape, generator=torch.Generator().manual_seed(3)))
    theta = rows_of(model, tiny)["user"]["theta"]
    codes = model.codes(tiny)["item"]
    for e in explain(model, tiny, USERS, ITEMS):
        for m in ("image", "text"):
            expected = float(theta[e.user] @ centred(codes[m])[e.item])
            assert e.contributions[m] == pytest.approx(expected, abs=1e-5)


def test_what_the_score_does_not_read_contributes_nothing(tiny) -> None:
    """BM3 scores with its ID rows alone, content only trains them."""
    for e in explain(make(BM3, tiny), tiny, USERS, ITEMS):
        assert e.contributions["image"] == e.contributions["text"] == 0.0
        assert e.contributions[COLLABORATIVE] == pytest.approx(e.score - e.base, abs=1e-12)


def test_a_backbone_without_modalities_has_one_player(tiny) -> None:
    model = make(LightGCN, tiny)
    assert players_of(model, tiny) == {COLLABORATIVE: ("id",)}
    [e] = explain(model, tiny, [0], [1])
    assert e.contributions == {COLLABORATIVE: pytest.approx(e.score - e.base)}
    assert e.missing == ()


def test_two_modalities_that_are_the_same_get_the_same(make_tiny) -> None:
    data = make_tiny(("image", "text"), missing={})
    data["text"].x = data["image"].x.clone()
    data[graph.describes("text")].edge_index = data[graph.describes("image")].edge_index.clone()
    model = make(VBPR, data)
    model.backbone.project["text"].load_state_dict(model.backbone.project["image"].state_dict())
    for e in explain(model, data, USERS, ITEMS):
        assert e.contributions["image"] == pytest.approx(e.contributions["text"], abs=1e-6)


def test_own_rows_can_be_players_of_their_own(tiny) -> None:
    model = make(LGMRec, tiny)
    default = players_of(model, tiny)
    assert default[COLLABORATIVE] == ("id", "hyper_image", "hyper_text")
    players = {
        COLLABORATIVE: ["id"],
        "image": ["image", "hyper_image"],
        "text": ["text", "hyper_text"],
    }
    one, other = (explain(model, tiny, [4], [9], players=p)[0] for p in (None, players))
    assert other.base + sum(other.contributions.values()) == pytest.approx(other.score, abs=1e-12)
    assert (other.score, other.base) == (one.score, one.base)
    assert abs(other.contributions[COLLABORATIVE] - one.contributions[COLLABORATIVE]) > 1e-6


def test_sampled_orders_add_up_as_well(tiny3) -> None:
    model = make(resolver.resolve_class("mgcn", backbones, Backbone, "backbone"), tiny3)
    draw = [
        explain(
            model, tiny3, USERS, ITEMS, permutations=2, generator=torch.Generator().manual_seed(s)
        )
        for s in (0, 0)
    ]
    assert draw[0] == draw[1]
    for e in draw[0]:
        assert e.base + sum(e.contributions.values()) == pytest.approx(e.score, abs=1e-12)


def test_tables_are_computed_once_for_each_coalition(tiny, monkeypatch) -> None:
    model = make(VBPR, tiny)
    kept: list[frozenset[str] | None] = []
    tables = model.tables

    def counted(data, keep=None):
        kept.append(None if keep is None else frozenset(keep))
        return tables(data, keep)

    monkeypatch.setattr(model, "tables", counted)
    explain(model, tiny, list(range(30)), list(range(30)))
    assert len(kept) == len(set(kept)) == 8


def test_items_that_lack_a_modality_are_marked(tiny) -> None:
    """Item 3 has no text: its contribution is that of an empty row in place of the mean."""
    model = make(VBPR, tiny, user_side="vector")
    lacking, other = explain(model, tiny, [2, 2], [3, 5])
    assert lacking.missing == ("text",) and other.missing == ()
    rows = rows_of(model, tiny)
    expected = -float(rows["user"]["text"][2] @ rows["item"]["text"].mean(0))
    assert lacking.contributions["text"] == pytest.approx(expected, abs=1e-6)


def test_ranks_and_the_best_are_those_of_a_bundle(tiny) -> None:
    model = make(VBPR, tiny)
    user, item = model.tables(tiny)
    train = graph.interactions(tiny, "train")
    bundle = Bundle.from_tables(user, item, train)
    found = explain_best(model, tiny, [7, 2], k=5)
    expected = [(u, r) for u in (7, 2) for r in bundle.recommend(u, k=5)]
    assert [(e.user, str(e.item), e.rank) for e in found] == [
        (u, r.item, r.rank) for u, r in expected
    ]
    assert [e.score for e in found] == pytest.approx([r.score for _, r in expected], abs=1e-5)
    assert not any(e.seen for e in found)
    history = train[1][train[0] == 7].tolist()
    assert {e.num_unseen for e in found if e.user == 7} == {40 - len(set(history))}


def test_the_rank_of_a_training_item_is_where_it_would_stand(tiny) -> None:
    model = make(VBPR, tiny)
    user, item = model.tables(tiny)
    train = graph.interactions(tiny, "train")
    history = set(train[1][train[0] == 7].tolist())
    scores = (item @ user[7]).tolist()
    for e in explain(model, tiny, [7] * 40, list(range(40))):
        better = [i for i in range(40) if i not in history and scores[i] > scores[e.item]]
        assert (e.rank, e.seen) == (len(better) + 1, e.item in history)


def test_equal_scores_rank_by_item_row(tiny) -> None:
    model = make(LightGCN, tiny)
    with torch.no_grad():
        model.backbone.item.weight.zero_()
        model.backbone.user.weight.zero_()
    train = graph.interactions(tiny, "train")
    unseen = sorted(set(range(40)) - set(train[1][train[0] == 7].tolist()))
    found = explain(model, tiny, [7] * len(unseen), unseen)
    assert [e.rank for e in found] == list(range(1, len(unseen) + 1))


def test_fewer_items_than_asked_for(tiny) -> None:
    found = explain_best(make(VBPR, tiny), tiny, torch.tensor([0]), k=40)
    assert len(found) == found[0].num_unseen < 40


def test_no_pair_gives_no_explanation(tiny) -> None:
    assert explain(make(VBPR, tiny), tiny, [], []) == []


@pytest.mark.parametrize(
    ("users", "items", "options", "message"),
    [
        ([30], [0], {}, "users: got rows 30 to 30, expected 0 to 29"),
        ([0], [-1], {}, "items: got rows -1 to -1, expected 0 to 39"),
        ([0, 1], [0], {}, "got 2 users and 1 items: give pairs"),
        (torch.zeros(1), [0], {}, "users: got torch.float32 \\(1,\\), expected int64"),
        ([0], [0], {"players": {"a": ["id", "image"]}}, "expected each of id, image, text once"),
        (
            [0],
            [0],
            {"players": {"a": ["id", "image"], "b": ["image", "text"]}},
            "they hold the rows id, image, image, text",
        ),
        ([0], [0], {"permutations": 4}, "needs a generator"),
    ],
)
def test_wrong_arguments(tiny, users, items, options, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        explain(make(VBPR, tiny), tiny, users, items, **options)


@pytest.mark.parametrize("k", [0, 41])
def test_k_out_of_range(tiny, k: int) -> None:
    with pytest.raises(ConfigError, match=f"k: got {k}, expected a whole number from 1 to 40"):
        explain_best(make(VBPR, tiny), tiny, [0], k)
