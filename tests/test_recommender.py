# ruff: noqa: ARG002
import copy
import math

import pytest
import torch
import torch.nn.functional as F
from torch.nn import Linear, ModuleDict

from mrdib_graph import LateFusion, backbones, graph, resolver
from mrdib_graph.backbones import BM3, CONTEXT, LATTICE, VBPR, Backbone, LightGCN, embedding
from mrdib_graph.controls import ContentLoss, Control, ModalityDropout, SplitL2
from mrdib_graph.errors import ConfigError
from mrdib_graph.experiment import build_arm, build_recommender
from mrdib_graph.experiment.config import Settings
from mrdib_graph.loader import TripletLoader
from mrdib_graph.losses import BPRLoss, Pairs, RankingLoss
from mrdib_graph.mrdib import MRdIB
from mrdib_graph.nn import MissingCodes
from mrdib_graph.recommender import CodeScores, Recommender
from mrdib_graph.typing import Fused

D = 6


class Rowwise(Backbone):
    """IDs and linear content, with a user row per modality if asked; reads nothing but rows."""

    def __init__(self, num_users, num_items, in_channels, embedding_dim=64, user_codes=False):
        super().__init__(num_users, num_items, in_channels, embedding_dim)
        self.user = embedding(num_users, embedding_dim)
        self.item = embedding(num_items, embedding_dim)
        self.map = ModuleDict({m: Linear(d, embedding_dim) for m, d in in_channels.items()})
        names = self.modalities if user_codes else []
        self.vectors = ModuleDict({m: embedding(num_users, embedding_dim) for m in names})

    def encode(self, data):
        content = {}
        for m in self.modalities:
            x, mask = graph.item_features(data, m)
            content[m] = self.map[m](x) * mask.unsqueeze(1)
        user = {"id": self.user.weight, **{m: v.weight for m, v in self.vectors.items()}}
        return {"user": user, "item": {"id": self.item.weight, **content}}

    def fuse(self, h, node_type):
        total = torch.stack(list(h.values())).sum(0)
        return Fused(total, {"total": total})

    def auxiliary_loss(self, data, step):
        return {"size": step.user.views["total"].square().sum() + step.rows["item"]["id"].sum()}


class TableWise(Rowwise):
    """The same functions, given full tables; it refuses the rows of a batch."""

    rowwise = False

    def fuse(self, h, node_type):
        size = self.num_users if node_type == "user" else self.num_items
        assert all(x.size(0) == size for x in h.values()), "rows of a batch in place of the table"
        return super().fuse(h, node_type)


Rowwise.loss_weights = {"size": 0.01}


def make(cls, data, **options):
    torch.manual_seed(0)
    return cls.from_data(data, embedding_dim=D, **options)


def with_mrdib(backbone, placement="inline", reg_fused=0.0, **options):
    torch.manual_seed(1)
    mrdib = MRdIB(backbone.modalities, D, **options)
    return Recommender(backbone, mrdib, placement=placement, reg_fused=reg_fused)


def batch_of(data, size=16, num_negatives=2, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return next(iter(TripletLoader(data, size, num_negatives, generator)))


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def triples(batch):
    return list(zip(*(t.tolist() for t in batch[:3]), strict=True))


def bpr(score, batch, present=lambda _: True):
    """Mean over rows of -log sigmoid, a mean over the present negatives; 0 where nothing is."""
    losses = []
    for u, i, negatives in triples(batch):
        kept = [j for j in negatives if present(i) and present(j)]
        of_pair = [math.log(1 + math.exp(score(u, j) - score(u, i))) for j in kept]
        losses.append(sum(of_pair) / max(1, len(kept)))
    return sum(losses) / len(losses)


# ------------------------------------------------------------------------------- loss


@pytest.mark.parametrize("cls", [LightGCN, VBPR, LATTICE, Rowwise, TableWise])
def test_ranking_term_is_bpr_of_the_explicit_scores(tiny, cls):
    backbone = make(cls, tiny)
    data = backbone.prepare(tiny)
    batch = batch_of(data)
    terms = Recommender(backbone).loss(data, batch)
    user, item = Recommender(backbone).tables(data)
    expected = bpr(lambda u, i: float(user[u] @ item[i]), batch)
    assert terms["ranking"].item() == pytest.approx(expected, rel=1e-5)


def test_reg_fused_is_half_the_squared_fused_rows_per_observed_pair(tiny):
    backbone = make(VBPR, tiny)
    recommender = Recommender(backbone, reg_fused=0.04)
    batch = batch_of(tiny, num_negatives=1)
    terms = recommender.loss(tiny, batch)
    user, item = recommender.tables(tiny)
    total = 0.0
    for u, i, (j,) in triples(batch):
        total += sum(x**2 for row in (user[u], item[i], item[j]) for x in row.tolist())
    assert terms["reg_fused"].item() == pytest.approx(total / (2 * 16), rel=1e-5)
    expected = terms["ranking"] + 0.04 * terms["reg_fused"]
    torch.testing.assert_close(recommender.total(terms), expected)
    assert "reg_fused" not in Recommender(backbone).loss(tiny, batch)


def test_total_is_the_weighted_sum_and_a_weight_of_zero_leaves_its_term_out(tiny):
    recommender = with_mrdib(
        make(Rowwise, tiny), reg_fused=0.3, alpha_kl=0.2, alpha_redundancy=0.5, alpha_unique=0.7
    )
    terms = recommender.loss(tiny, batch_of(tiny), seeded())
    weights = {
        "ranking": 1.0,
        "size": 0.01,
        "reg_fused": 0.3,
        "kl": 0.2 / 10,  # first of ten epochs of warm-up
        "redundancy": 0.5,
        "unique": 0.7,
        "estimator": 1.0,
    }
    assert recommender.loss_weights == pytest.approx(weights)
    assert set(terms) == set(weights)
    expected = sum(weights[name] * term.item() for name, term in terms.items())
    assert recommender.total(terms).item() == pytest.approx(expected, rel=1e-5)
    recommender.backbone.loss_weights = {"size": 0.0}
    terms["size"] = torch.tensor(float("nan"))
    assert torch.isfinite(recommender.total(terms))


def test_another_ranking_loss_is_used_for_every_ranking_term(tiny):
    backbone, batch = make(VBPR, tiny), batch_of(tiny)
    mrdib = MRdIB(backbone.modalities, D, alpha_redundancy=0)
    nats = Recommender(backbone, mrdib).loss(tiny, batch)
    bits = Recommender(backbone, mrdib, ranking_loss=BPRLoss(log2=True)).loss(tiny, batch)
    for name in ("ranking", "unique"):
        torch.testing.assert_close(bits[name], nats[name] / math.log(2))


# ---------------------------------------------------------------------- unique and masks


@pytest.mark.parametrize("user_side", ["shared", "vector"])
@pytest.mark.parametrize("decoder", ["none", "linear"])
def test_unique_term_is_bpr_of_each_code_alone_on_rows_that_have_it(tiny, user_side, decoder):
    recommender = with_mrdib(make(VBPR, tiny, user_side=user_side), decoder=decoder)
    if decoder == "linear":
        for module in recommender.mrdib.decoders.values():
            torch.nn.init.normal_(module.linear.weight, generator=seeded(3))
    batch = batch_of(tiny, size=200)
    assert (batch.pos_item == 3).any() and (batch.neg_item == 3).any(), "item 3 has no text"
    terms = recommender.loss(tiny, batch)
    with torch.no_grad():
        h = recommender.backbone.encode(tiny)
        total = 0.0
        for m in ("image", "text"):
            user = h["user"]["theta" if user_side == "shared" else m]
            item = recommender.mrdib.decoders[m](h["item"][m])
            scores = (user @ item.T).tolist()
            total += bpr(
                lambda u, i, s=scores: s[u][i], batch, lambda i, m=m: m == "image" or i != 3
            )
    assert terms["unique"].item() == pytest.approx(total, rel=1e-5)


@pytest.mark.parametrize("cls", [VBPR, LateFusion])
def test_residual_unique_term_asks_each_code_on_top_of_the_others(tiny, cls):
    backbone = make(VBPR, tiny, user_side="vector")
    if cls is LateFusion:
        backbone = LateFusion.from_data(tiny, inner=backbone)
    options = {"alpha_unique": 0.5, "alpha_redundancy": 0}
    recommender = with_mrdib(backbone, unique="residual", **options)
    batch = batch_of(tiny, size=200, num_negatives=1)
    terms = recommender.loss(tiny, batch)
    terms["unique"].backward()

    h = backbone.encode(tiny)
    score = {m: h["user"][m] @ h["item"][m].T for m in ("image", "text")}
    if cls is LateFusion:
        score["joint"] = h["user"]["joint"] @ backbone.joint_code(h["item"]).T
    u, i, j = batch.user, batch.pos_item, batch.neg_item[:, 0]
    margin = {m: s[u, i] - s[u, j] for m, s in score.items()}
    total = 0.0
    for m in margin:
        whole = sum(x if name == m else x.detach() for name, x in margin.items())
        has = torch.ones_like(i, dtype=torch.bool) if m != "text" else (i != 3) & (j != 3)
        total = total - F.logsigmoid(whole[has]).sum() / has.numel()
    assert not ((i != 3) & (j != 3)).all(), "item 3 has no text"
    torch.testing.assert_close(terms["unique"], total)
    learned = [p for p in backbone.parameters() if p.grad is not None]
    for p, grad in zip(learned, torch.autograd.grad(total, learned), strict=True):
        torch.testing.assert_close(p.grad, grad, rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize(("alpha", "asked"), [(0.1, ["image", "text"]), (0.0, [])])
def test_a_code_is_scored_once_and_only_where_it_is_asked_for(tiny, monkeypatch, alpha, asked):
    calls = []
    backbone = make(VBPR, tiny)
    user = backbone.modality_user
    monkeypatch.setattr(backbone, "modality_user", lambda m, x: calls.append(m) or user(m, x))
    with_mrdib(backbone, unique="residual", alpha_unique=alpha).loss(tiny, batch_of(tiny))
    assert sorted(calls) == asked


def test_code_scores_are_a_lazy_mapping_of_pair_scores(tiny):
    backbone, items = make(VBPR, tiny, user_side="vector"), torch.tensor([2, 3, 5, 2])
    with torch.no_grad():
        h = backbone.encode(tiny)
    masks = {"text": torch.arange(40) != 3}
    codes = {m: h["item"][m] for m in ("image", "text")}
    pairs, users = Pairs(2, (2, 1)), torch.tensor([1, 4])
    scores = CodeScores(backbone, pairs, h["user"], codes, masks, users, items)
    assert list(scores) == ["image", "text"] and len(scores) == 2
    text = scores["text"]
    assert scores["text"] is text and scores["image"].valid is None
    assert text.valid.tolist() == [[True], [False]]  # item 3 has no text
    expected = (h["user"]["text"][[1, 4]] * h["item"]["text"][[2, 3]]).sum(1)
    torch.testing.assert_close(text.positive, expected)


def test_unique_term_falls_back_on_the_fused_user_row(tiny):
    recommender = with_mrdib(make(LATTICE, tiny), alpha_redundancy=0).eval()
    data, batch = recommender.backbone.prepare(tiny), batch_of(tiny, size=200)
    terms = recommender.loss(data, batch)
    user, _ = recommender.tables(data)
    codes = recommender.codes(data)["item"]
    total = sum(
        bpr(
            lambda u, i, m=m: float(user[u] @ codes[m][i]),
            batch,
            lambda i, m=m: m == "image" or i != 3,
        )
        for m in ("image", "text")
    )
    assert terms["unique"].item() == pytest.approx(total, rel=1e-5)


def test_unique_term_of_a_batch_without_the_modality_is_zero(make_tiny):
    data = make_tiny(missing={"text": range(39)})  # item 39 is in no batch
    recommender = with_mrdib(make(Rowwise, data), alpha_redundancy=0, alpha_unique=0.5)
    only_image = with_mrdib(make(Rowwise, make_tiny(("image",))), alpha_redundancy=0)
    terms = recommender.loss(data, batch_of(data))
    assert terms["unique"].item() == pytest.approx(
        only_image.loss(make_tiny(("image",)), batch_of(data))["unique"].item()
    )
    recommender.total(terms).backward()
    assert all(torch.isfinite(p.grad).all() for p in recommender.parameters() if p.grad is not None)


@pytest.mark.parametrize("cls", [VBPR, LATTICE, Rowwise, TableWise])
@pytest.mark.parametrize("placement", ["inline", "auxiliary"])
def test_what_a_missing_row_holds_changes_no_term_and_no_table(tiny, cls, placement, monkeypatch):
    """An encoder that fills missing rows with anything must not be able to leak it into a code."""
    options = {"estimator": "mine", "alpha_kl": 0.1, "mean": "linear", "placement": placement}
    results = []
    for content in (0.0, 30.0):
        recommender = with_mrdib(make(cls, tiny), **options)
        for bottleneck in recommender.mrdib.bottlenecks.values():
            torch.nn.init.normal_(bottleneck.mean.bias, generator=seeded(2))
        backbone = recommender.backbone
        data, batch = backbone.prepare(tiny), batch_of(tiny, size=200)
        for name in ("encode", "encode_rows"):
            monkeypatch.setattr(backbone, name, filled(getattr(backbone, name), content))
        terms = recommender.loss(data, batch, seeded(1))
        assert {"ranking", "kl", "redundancy", "unique", "estimator"} <= set(terms)
        if placement == "auxiliary":  # it fuses the backbone's own rows, whatever they are
            results.append([terms[name] for name in ("kl", "redundancy", "unique", "estimator")])
        else:
            results.append([*terms.values(), *recommender.tables(data)])
    assert all(torch.equal(a, b) for a, b in zip(*results, strict=True))


def filled(function, content):
    def call(data, users=None, items=None):
        out = function(data) if items is None else function(data, users, items)
        ids = torch.arange(40) if items is None else items
        lacks = (ids == 3).unsqueeze(1)
        out["item"]["text"] = out["item"]["text"].masked_fill(lacks, content)
        return out

    return call


@pytest.mark.parametrize("name", resolver.choices(backbones, Backbone))
def test_learned_codes_reach_the_score_or_are_refused(tiny, name):
    settings = Settings(embedding_dim=8, missing_codes=True)
    torch.manual_seed(0)
    if name == "bm3":
        with pytest.raises(ConfigError, match="has no modality row in its score for missing_codes"):
            build_recommender(build_arm(settings, name, "bare"), tiny)
        with pytest.raises(ConfigError, match="modality rows of BM3 do not reach its score"):
            Recommender(make(BM3, tiny), missing_codes=MissingCodes(40, ["text"], 6))
        return
    model = build_recommender(build_arm(settings, name, "bare"), tiny)
    if not model.modalities:
        assert name == "lightgcn" and not list(model.missing_codes.parameters())
        return
    data = model.backbone.prepare(tiny)
    model.prepare_epoch(data, 0, seeded())
    model.total(model.loss(data, batch_of(tiny, size=200), seeded())).backward()
    table = model.missing_codes.tables["text"].weight
    assert table.grad[3].any() and not table.grad[torch.arange(40) != 3].any()
    before = model.tables(data)[1]
    torch.nn.init.normal_(table)
    assert (model.tables(data)[1] != before)[3].any()


@pytest.mark.parametrize("cls", [VBPR, LATTICE, Rowwise, TableWise])
def test_a_learned_code_takes_the_place_of_a_missing_row(tiny, cls):
    """Fused in place of the zero row, learned by the ranking loss, and no part of the terms."""

    def build(learn):
        torch.manual_seed(0)
        backbone = make(cls, tiny)
        codes = MissingCodes.from_data(tiny, backbone.modalities, backbone.embedding_dim)
        mrdib = MRdIB(backbone.modalities, backbone.embedding_dim, alpha_unique=0.3)
        return Recommender(backbone, mrdib, missing_codes=codes if learn else None)

    learned, plain = build(True), build(False)
    assert list(learned.missing_codes.tables) == ["text"]
    data, batch = learned.backbone.prepare(tiny), batch_of(tiny, size=200)
    for mine, theirs in zip(learned.tables(data), plain.tables(data), strict=True):
        assert torch.equal(mine, theirs)  # at the start it is the zero row
    table = learned.missing_codes.tables["text"].weight
    torch.nn.init.normal_(table, generator=seeded(5))
    terms, without = (model.loss(data, batch, seeded()) for model in (learned, plain))
    assert {"ranking", "redundancy", "unique"} <= set(terms)
    for name, value in terms.items():
        assert torch.equal(value, without[name]) == (name != "ranking"), name
    grad = torch.autograd.grad(terms["ranking"], table)[0]
    assert grad[3].any() and not grad[torch.arange(len(grad)) != 3].any()
    changed = (learned.tables(data)[1] != plain.tables(data)[1]).any(1)
    if cls is not LATTICE:
        assert changed.nonzero().flatten().tolist() == [3]  # the item without a text
    assert changed[3]
    assert torch.equal(learned.codes(data)["item"]["text"][3], table[3])


def test_missing_rows_are_zero_codes_even_with_a_bias(tiny):
    recommender = with_mrdib(make(Rowwise, tiny), mean="linear")
    torch.nn.init.ones_(recommender.mrdib.bottlenecks["text"].mean.bias)
    codes = recommender.codes(tiny)["item"]
    assert not codes["text"][3].any()
    assert codes["text"][[2, 4]].any(1).all() and codes["image"][3].any()


# ------------------------------------------------------------------------- placement


@pytest.mark.parametrize("cls", [VBPR, LATTICE, Rowwise, TableWise])
def test_inline_with_the_identity_is_the_bare_backbone(tiny3, cls):
    backbone = make(cls, tiny3)
    data, batch = backbone.prepare(tiny3), batch_of(tiny3)
    bare, inline = Recommender(backbone), with_mrdib(backbone)
    for left, right in zip(bare.tables(data), inline.tables(data), strict=True):
        torch.testing.assert_close(left, right, atol=1e-6, rtol=0)
    terms, bare_terms = inline.loss(data, batch), bare.loss(data, batch)
    assert bare_terms.keys() < terms.keys()
    for name, term in bare_terms.items():
        torch.testing.assert_close(terms[name], term, atol=1e-6, rtol=0)


@pytest.mark.parametrize("cls", [VBPR, LATTICE, TableWise])
def test_auxiliary_leaves_ranking_and_tables_alone_and_inline_does_not(tiny, cls):
    backbone = make(cls, tiny)
    data, batch = backbone.prepare(tiny), batch_of(tiny)
    bare = Recommender(backbone, reg_fused=0.1)
    noisy = {"alpha_kl": 0.1, "log_var_bias": 0.0, "mean": "linear", "reg_fused": 0.1}
    auxiliary = with_mrdib(backbone, "auxiliary", **noisy)
    inline = with_mrdib(backbone, "inline", **noisy)
    for bottleneck in auxiliary.mrdib.bottlenecks.values():
        torch.nn.init.normal_(bottleneck.mean.weight, generator=seeded(2))

    def first_loss(recommender):
        recommender.prepare_epoch(data, 0, seeded())
        return recommender.loss(data, batch, seeded())

    expected, terms = first_loss(bare), first_loss(auxiliary)
    for name, term in expected.items():
        assert torch.equal(terms[name], term)
    assert not torch.equal(first_loss(inline)["ranking"], expected["ranking"])
    for left, right in zip(auxiliary.tables(data), bare.tables(data), strict=True):
        assert torch.equal(left, right)


def test_auxiliary_terms_still_teach_the_encoder(tiny):
    backbone = make(VBPR, tiny)
    recommender = with_mrdib(backbone, "auxiliary", alpha_kl=0.1)
    terms = recommender.loss(tiny, batch_of(tiny), seeded())
    for name in ("kl", "redundancy", "unique"):
        recommender.zero_grad()
        terms[name].backward(retain_graph=True)
        assert backbone.project["image"].linear.weight.grad.any(), name


# -------------------------------------------------------------------- not row by row


@pytest.mark.parametrize("user_codes", [False, True])
@pytest.mark.parametrize("placement", ["inline", "auxiliary"])
def test_full_tables_give_what_batch_rows_give(tiny3, user_codes, placement):
    results = []
    for cls in (Rowwise, TableWise):
        backbone = make(cls, tiny3, user_codes=user_codes)
        recommender = with_mrdib(backbone, placement, reg_fused=0.1, mean="linear")
        for bottleneck in recommender.mrdib.bottlenecks.values():
            torch.nn.init.normal_(bottleneck.mean.weight, generator=seeded(4))
        terms = recommender.loss(tiny3, batch_of(tiny3), seeded())
        recommender.total(terms).backward()
        gradients = {name: p.grad for name, p in recommender.named_parameters()}
        results.append((terms, gradients, recommender.tables(tiny3)))
    (terms, gradients, tables), (terms_2, gradients_2, tables_2) = results
    assert set(terms) == set(terms_2) >= {"ranking", "size", "reg_fused", "unique", "redundancy"}
    for name, term in terms.items():
        torch.testing.assert_close(term, terms_2[name], rtol=1e-4, atol=1e-6)
    for name, gradient in gradients.items():
        if gradient is None:
            assert gradients_2[name] is None
        else:
            torch.testing.assert_close(gradient, gradients_2[name], rtol=1e-4, atol=1e-6)
    assert all(torch.equal(a, b) for a, b in zip(tables, tables_2, strict=True))


@pytest.mark.parametrize("control", [ContentLoss, SplitL2])
def test_controls_give_the_same_on_full_tables(tiny, control):
    terms = [
        Recommender(backbone, control=control(backbone.modalities)).loss(tiny, batch_of(tiny))
        for backbone in (make(Rowwise, tiny), make(TableWise, tiny))
    ]
    assert set(terms[0]) == set(terms[1]) and len(terms[0]) == 3
    for name, term in terms[0].items():
        torch.testing.assert_close(term, terms[1][name])


# ------------------------------------------------------------------------ inference


def test_tables_are_without_noise_and_leave_the_mode_and_the_weights_alone(tiny):
    recommender = with_mrdib(make(VBPR, tiny), alpha_kl=0.1, log_var_bias=2.0)
    before = {name: value.clone() for name, value in recommender.state_dict().items()}
    first, second = recommender.tables(tiny), recommender.tables(tiny)
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
    assert recommender.training and recommender.mrdib.training
    assert not first[0].requires_grad
    recommender.eval().tables(tiny)
    assert not recommender.training
    assert all(torch.equal(v, before[name]) for name, v in recommender.state_dict().items())


def test_tables_never_call_decoders_critics_or_variance_heads(tiny, monkeypatch):
    recommender = with_mrdib(make(VBPR, tiny), estimator="mine", alpha_kl=0.1, decoder="linear")
    expected = recommender.tables(tiny)
    for m in recommender.modalities:
        recommender.mrdib.bottlenecks[m].log_var = None
    recommender.mrdib.decoders = recommender.mrdib.estimators = None
    assert all(torch.equal(a, b) for a, b in zip(recommender.tables(tiny), expected, strict=True))


@pytest.mark.parametrize("keep", [["id"], ["id", "image"], ["text"], []])
def test_knock_out_replaces_every_other_name_of_the_items_by_its_mean(tiny, keep):
    recommender = with_mrdib(make(VBPR, tiny))
    user, item = recommender.tables(tiny, keep)
    assert torch.equal(user, recommender.tables(tiny)[0])
    with torch.no_grad():
        h = recommender.backbone.encode(tiny)["item"]

    def row(name, index):
        table = h[name].tolist()
        if name in keep:
            return table[index]
        return [sum(column) / len(table) for column in zip(*table, strict=True)]

    for i in (0, 3, 39):
        pairs = zip(row("image", i), row("text", i), strict=True)
        expected = row("id", i) + [a + b for a, b in pairs]
        assert item[i].tolist() == pytest.approx(expected, abs=1e-6)


def test_knocking_out_everything_ranks_nothing(tiny):
    user, item = Recommender(make(LATTICE, tiny)).tables(tiny, [])
    scores = user @ item.T
    torch.testing.assert_close(scores, scores[:, :1].expand_as(scores))


def test_knock_out_that_keeps_everything_is_the_full_table(tiny):
    recommender = Recommender(make(VBPR, tiny))
    kept = recommender.tables(tiny, ["id", "theta", "image", "text"])
    for left, right in zip(kept, recommender.tables(tiny), strict=True):
        assert torch.equal(left, right)


def test_knock_out_of_an_unknown_name_is_refused(tiny):
    with pytest.raises(ConfigError, match="keep: got 'audio', expected some of id, theta, image"):
        Recommender(make(VBPR, tiny)).tables(tiny, ["id", "audio"])


@pytest.mark.parametrize("placement", ["inline", "auxiliary"])
def test_codes_are_the_means_and_the_vectors_that_score_them(tiny, placement):
    backbone = make(VBPR, tiny, user_side="vector")
    recommender = with_mrdib(backbone, placement, alpha_kl=0.1, mean="linear")
    for bottleneck in recommender.mrdib.bottlenecks.values():
        torch.nn.init.normal_(bottleneck.mean.weight, generator=seeded(2))
    codes = recommender.codes(tiny)
    with torch.no_grad():
        h = backbone.encode(tiny)
    for m in ("image", "text"):
        linear = recommender.mrdib.bottlenecks[m].mean
        for node_type, n in (("user", 30), ("item", 40)):
            expected = h[node_type][m] @ linear.weight.T + linear.bias
            if node_type == "item" and m == "text":
                expected[3] = 0
            assert codes[node_type][m].shape == (n, D)
            torch.testing.assert_close(codes[node_type][m], expected)
    assert torch.equal(codes["user"]["id"], h["user"]["id"])
    assert torch.equal(codes["item"]["id"], h["item"]["id"])
    assert recommender.training


def test_codes_of_a_bare_backbone_are_its_embeddings(tiny):
    recommender = Recommender(make(LATTICE, tiny))
    codes = recommender.codes(tiny)
    assert set(codes["user"]) == set(codes["item"]) == {"image", "text", "id"}
    assert torch.equal(codes["user"]["text"], recommender.tables(tiny)[0])
    assert not codes["item"]["text"][3].any()
    assert set(Recommender(make(LightGCN, tiny)).codes(tiny)["item"]) == {"id"}


# ------------------------------------------------------------------------ the rest


def test_prepare_epoch_reaches_backbone_and_mrdib_and_a_resume_the_warm_up_only(tiny, monkeypatch):
    recommender = with_mrdib(make(VBPR, tiny), alpha_kl=0.1)
    calls = []
    monkeypatch.setattr(recommender.backbone, "prepare_epoch", lambda *a: calls.append(a))
    generator = seeded()
    recommender.prepare_epoch(tiny, 3, generator)
    assert calls == [(tiny, generator)] and recommender.mrdib.epoch == 3
    recommender.prepare_epoch(tiny, 4, generator, resumed=True)
    assert len(calls) == 1 and recommender.mrdib.epoch == 4


@pytest.mark.parametrize("cls", [LightGCN, VBPR, LATTICE, TableWise])
def test_same_seed_same_bits(tiny, cls):
    def run():
        backbone = make(cls, tiny)
        data = backbone.prepare(tiny)
        arm = {"alpha_kl": 0.1, "estimator": "mine", "reg_fused": 0.05}
        recommender = with_mrdib(backbone, **arm) if backbone.modalities else Recommender(backbone)
        terms = recommender.loss(data, batch_of(data), seeded(3))
        recommender.total(terms).backward()
        return [*terms.values(), *(p.grad for p in recommender.parameters() if p.grad is not None)]

    first, second = run(), run()
    assert len(first) > 2 and all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


@pytest.mark.parametrize("names", [("image",), ("image", "text", "audio", "video")])
def test_one_and_four_modalities_train(make_tiny, names):
    data = make_tiny(names)
    recommender = with_mrdib(make(VBPR, data), alpha_kl=0.1)
    terms = recommender.loss(data, batch_of(data), seeded())
    assert ("redundancy" in terms) == (len(names) > 1)
    recommender.total(terms).backward()
    for m in names:
        gradient = recommender.backbone.project[m].linear.weight.grad
        assert gradient.any() and torch.isfinite(gradient).all()
    assert recommender.modalities == list(names)


def test_mrdib_on_a_backbone_without_modalities_is_refused(tiny):
    backbone = make(LightGCN, tiny)
    for part in (
        {"mrdib": MRdIB(["image", "text"], D)},
        {"control": ModalityDropout(["image"])},
    ):
        with pytest.raises(ConfigError, match="cannot be used with LightGCN: .*no modality"):
            Recommender(backbone, **part)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"placement": "outline"}, "placement: got 'outline', expected inline or auxiliary"),
        ({"reg_fused": -0.1}, r"reg_fused: got -0\.1, expected 0 or more"),
        ({"reg_fused": float("nan")}, "reg_fused: got nan"),
        ({"mrdib": MRdIB(["sound"], D)}, "MRdIB: modality 'sound' is not one of VBPR's: image"),
        ({"control": SplitL2(["sound"])}, "SplitL2: modality 'sound' is not one of VBPR's"),
    ],
)
def test_options_that_do_not_fit_are_named(tiny, options, message):
    with pytest.raises(ConfigError, match=message):
        Recommender(make(VBPR, tiny), **options)


def test_another_width_is_named_at_the_first_step(tiny):
    recommender = Recommender(make(VBPR, tiny), MRdIB(["image", "text"]))
    with pytest.raises(ConfigError, match="embedding_dim: MRdIB has 64, the embeddings .* 6 wide"):
        recommender.loss(tiny, batch_of(tiny))


# ------------------------------------------------- propagation after fusing, context, own noise


class Smoothed(TableWise):
    """Users are smoothed over a graph of users after the fusion."""

    def propagate(self, fused, node_type, data):
        if node_type == "item":
            return fused
        return Fused(fused.out + self.smoothing @ fused.out, fused.views)


def test_what_follows_the_fusion_reaches_loss_and_tables(tiny):
    backbone = make(Smoothed, tiny)
    backbone.smoothing = torch.rand(30, 30) / 30
    recommender = Recommender(backbone)
    plain = copy.deepcopy(recommender)
    plain.backbone.smoothing = torch.zeros(30, 30)
    batch = batch_of(tiny)
    user, item = plain.tables(tiny)
    user = user + backbone.smoothing @ user
    torch.testing.assert_close(recommender.tables(tiny)[0], user)
    positive = (user[batch.user] * item[batch.pos_item]).sum(-1)
    negative = (user[batch.user].unsqueeze(1) * item[batch.neg_item]).sum(-1)
    expected = F.softplus(negative - positive.unsqueeze(1)).mean()
    torch.testing.assert_close(recommender.loss(tiny, batch)["ranking"], expected)


@pytest.mark.parametrize("cls", [Rowwise, TableWise])
def test_context_reaches_the_auxiliary_loss_as_it_is(tiny, cls):
    class WithContext(cls):
        def encode(self, data):
            return {**super().encode(data), CONTEXT: {"note": torch.arange(3.0)}}

        def auxiliary_loss(self, data, step):
            return {"size": step.rows[CONTEXT]["note"].sum()}

    recommender = with_mrdib(make(WithContext, tiny), alpha_kl=0.1)
    assert float(recommender.loss(tiny, batch_of(tiny))["size"]) == 3.0
    recommender.tables(tiny)


def test_a_backbone_chooses_where_mrdib_stands(tiny):
    class LossesOnly(Rowwise):
        placements = ("auxiliary",)

    backbone = make(LossesOnly, tiny)
    mrdib = MRdIB(backbone.modalities, D)
    assert Recommender(backbone, mrdib).placement == "auxiliary"
    assert Recommender(make(Rowwise, tiny)).placement == "inline"
    with pytest.raises(ConfigError, match="LossesOnly has no inline one, .*; expected auxiliary"):
        Recommender(backbone, mrdib, placement="inline")


def test_a_backbone_weighs_the_ranking_loss(tiny):
    class InBits(Rowwise):
        loss_weights = {"ranking": 1 / math.log(2), "size": 0.0}

    recommender = Recommender(make(InBits, tiny))
    terms = recommender.loss(tiny, batch_of(tiny))
    torch.testing.assert_close(recommender.total(terms), terms["ranking"] / math.log(2))


# ------------------------------------------------------------------- terms and their owners


def with_terms(data, terms, weights, **parts):
    """A recommender on a backbone of one's own with these terms."""

    class Mine(Rowwise):
        loss_weights = weights

        def auxiliary_loss(self, data, step):
            return terms

    return Recommender(make(Mine, data), **parts)


def test_two_owners_of_one_term_are_named(tiny):
    """The backbone's kl of weight 10 must not fall to MRdIB's weight of kl, which is 0."""
    both = "term 'kl': both the backbone Mine and MRdIB have a term of this name; rename one"
    part = MRdIB(["image", "text"], D)
    with pytest.raises(ConfigError, match=both):
        with_terms(tiny, {"kl": torch.ones(())}, {"kl": 10.0}, mrdib=part)
    recommender = with_terms(tiny, {"kl": torch.ones(())}, {}, mrdib=part)
    with pytest.raises(ConfigError, match="term 'kl': both MRdIB and the backbone Mine have"):
        recommender.loss(tiny, batch_of(tiny))
    bare = with_terms(tiny, {"kl": torch.ones(())}, {"kl": 10.0})
    terms = bare.loss(tiny, batch_of(tiny))
    torch.testing.assert_close(bare.total(terms), terms["ranking"] + 10)


def test_a_backbone_and_a_control_may_not_share_a_name_nor_take_the_rankings(tiny):
    with pytest.raises(
        ConfigError, match="term 'content': both the backbone Mine and the control ContentLoss have"
    ):
        with_terms(tiny, {}, {"content": 1.0}, control=ContentLoss(["image"]))
    with pytest.raises(
        ConfigError, match="term 'ranking': both the recommender and the backbone Mine have"
    ):
        with_terms(tiny, {"ranking": torch.ones(())}, {}).loss(tiny, batch_of(tiny))


@pytest.mark.parametrize(
    ("terms", "message"),
    [
        (
            {"mine": torch.ones(())},
            "term 'mine': the backbone Mine returned it without a weight; add",
        ),
        (
            {"size": 3},
            r"term 'size': the backbone Mine returned int 3, expected a tensor of shape \[\]",
        ),
        (
            {"size": torch.ones(2)},
            r"term 'size': the backbone Mine returned a tensor of shape \[2\], expected",
        ),
        (
            torch.ones(()),
            r"terms: the backbone Mine returned a tensor of shape \[\], expected {name: term}",
        ),
    ],
)
def test_a_wrong_term_is_told_in_one_sentence(tiny, terms, message):
    with pytest.raises(ConfigError, match=message):
        with_terms(tiny, terms, {"size": 1.0}).loss(tiny, batch_of(tiny))


def test_owners_of_one_class_name_are_told_apart(tiny):
    Mine = type("Mine", (Control,), {"loss_weights": {"x": 0.0}})
    with pytest.raises(ConfigError, match="both the backbone Mine and the control Mine have"):
        with_terms(tiny, {}, {"x": 10.0}, control=Mine(["image"]))


def test_a_weight_without_a_term_is_fine(tiny):
    assert set(with_terms(tiny, {}, {"size": 1.0}).loss(tiny, batch_of(tiny))) == {"ranking"}


def test_a_control_that_returns_no_rows_is_told(tiny):
    class Wrong(Control):
        def perturb(self, rows, generator=None):
            return rows["item"]["image"]

    recommender = Recommender(make(Rowwise, tiny), control=Wrong(["image"]))
    with pytest.raises(ConfigError, match=r"Wrong\.perturb returned Tensor, expected rows by node"):
        recommender.loss(tiny, batch_of(tiny))


class Hinge(RankingLoss):
    def forward(self, scores):
        return scores.mean((1 - scores.positive.unsqueeze(1) + scores.negative).clamp_min(0))


def test_a_ranking_loss_is_chosen_by_name_class_instance_or_file(tiny, tmp_path):
    file = tmp_path / "own.py"
    body = "    def forward(self, scores):\n        return -scores.positive.mean()\n"
    file.write_text(f"from mrdib_graph.losses import BPRLoss\n\nclass Own(BPRLoss):\n{body}")
    backbone = make(Rowwise, tiny)
    for query, name in (("bpr", "BPRLoss"), (Hinge, "Hinge"), (Hinge(), "Hinge")):
        assert type(Recommender(backbone, ranking_loss=query).ranking_loss).__name__ == name
    own = Recommender(backbone, ranking_loss=f"{file}:Own")
    assert own.loss(tiny, batch_of(tiny))["ranking"].isfinite()
    with pytest.raises(ConfigError, match="ranking_loss: 'brp' is unknown; did you mean 'bpr'"):
        Recommender(backbone, ranking_loss="brp")
