# ruff: noqa: ARG002
import itertools
import math

import pytest
import torch

from mrdib_graph.errors import ConfigError
from mrdib_graph.estimators import MIEstimator
from mrdib_graph.mrdib import MRdIB, Scores

NAMES = ["image", "text", "audio", "video"]


class Product(MIEstimator):
    """A value that a loop can repeat: the mean of all products, and a critic of one weight."""

    def __init__(self, embedding_dim: int, scale: float = 1.0) -> None:
        super().__init__(embedding_dim)
        self.scale = scale
        self.weight = torch.nn.Parameter(torch.tensor(2.0))

    def forward(self, z1, z2, generator=None):
        return (z1 * z2).mean() * self.scale

    def learning_loss(self, z1, z2, generator=None):
        return self.weight * (z1 - z2).square().mean().detach()


def rows_of(names, n=24, d=5, seed=0):
    generator = torch.Generator().manual_seed(seed)
    shared = torch.randn(n, d, generator=generator)
    return {m: shared + 0.7 * torch.randn(n, d, generator=generator) for m in names}


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def build(names, **options):
    torch.manual_seed(0)
    return MRdIB(names, embedding_dim=5, **options)


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_terms_equal_a_slow_loop_for_any_number_of_modalities(count):
    names = NAMES[:count]
    mrdib = build(names, estimator=Product, alpha_kl=0.1, alpha_redundancy=0.2, alpha_unique=0.3)
    generator = seeded()
    users = mrdib.compress(rows_of(names, n=10, seed=1), generator)
    items = mrdib.compress(rows_of(names, n=24, seed=2), generator)
    alone = {m: torch.tensor(float(i + 1)) for i, m in enumerate(names)}
    terms = mrdib({"user": users, "item": items}, Scores(alone=alone), lambda score: score)

    kl = 0.0
    for m in names:
        of_m = []
        for code in (users[m], items[m]):
            for mean, log_var in zip(code.mean.tolist(), code.log_var.tolist(), strict=True):
                pairs = zip(mean, log_var, strict=True)
                of_m.append(sum(0.5 * (mu**2 + math.exp(v) - v - 1) for mu, v in pairs))
        kl += sum(of_m) / len(of_m)
    assert terms["kl"].item() == pytest.approx(kl, rel=1e-5)
    assert terms["unique"].item() == sum(range(1, count + 1))

    pairs = list(itertools.combinations(names, 2))
    values, learning = [], []
    for a, b in pairs:
        za, zb = items[a].sample.tolist(), items[b].sample.tolist()
        cells = [
            (x, y)
            for row_a, row_b in zip(za, zb, strict=True)
            for x, y in zip(row_a, row_b, strict=True)
        ]
        values.append(sum(x * y for x, y in cells) / len(cells))
        learning.append(2 * sum((x - y) ** 2 for x, y in cells) / len(cells))
    if count == 1:
        assert set(terms) == {"kl", "unique"}
    else:
        assert set(terms) == {"kl", "redundancy", "unique", "estimator"}
        assert terms["redundancy"].item() == pytest.approx(sum(values) / len(pairs), rel=1e-4)
        assert terms["estimator"].item() == pytest.approx(sum(learning), rel=1e-4)


def test_redundancy_is_taken_on_the_node_types_asked_for():
    mrdib = build(NAMES[:2], estimator=Product, alpha_unique=0)
    codes = {t: mrdib.compress(rows_of(NAMES[:2], seed=s)) for s, t in enumerate(("user", "item"))}
    single = [
        (codes[t]["image"].sample * codes[t]["text"].sample).mean().item() for t in ("user", "item")
    ]
    terms = mrdib(codes, redundancy_on=("user", "item"))
    assert terms["redundancy"].item() == pytest.approx(sum(single) / 2, rel=1e-5)
    assert mrdib(codes)["redundancy"].item() == pytest.approx(single[1], rel=1e-5)
    with pytest.raises(ConfigError, match="redundancy_on: got 'node', expected among user, item"):
        mrdib(codes, redundancy_on=("node",))


def test_redundancy_of_node_types_without_codes_is_left_out():
    mrdib = build(NAMES[:2], estimator=Product, alpha_unique=0)
    codes = {"user": {}, "item": mrdib.compress(rows_of(NAMES[:2]))}
    assert mrdib(codes, redundancy_on=("user",)) == {}
    both, items = mrdib(codes, redundancy_on=("user", "item")), mrdib(codes)
    assert torch.equal(both["redundancy"], items["redundancy"])


def kl_of(codes, m):
    """Mean over the nodes of all types, from the formula."""
    rows = [
        sum(0.5 * (mu**2 + math.exp(v) - v - 1) for mu, v in zip(mean, log_var, strict=True))
        for of_type in codes.values()
        for mean, log_var in zip(of_type[m].mean.tolist(), of_type[m].log_var.tolist(), strict=True)
    ]
    return sum(rows) / len(rows)


def make_codes(mrdib, names):
    generator = seeded()
    return {
        t: mrdib.compress(rows_of(names, n=n, seed=n), generator)
        for t, n in (("user", 10), ("item", 24))
    }


def test_a_weight_per_modality_gives_a_term_per_modality():
    names = NAMES[:3]
    mrdib = build(
        names, alpha_kl={"image": 0.2, "audio": 0.4}, kl_warmup_epochs=4, alpha_redundancy=0
    )
    codes = make_codes(mrdib, names)
    assert codes["item"]["text"].log_var is None, "a modality without a weight has no noise"
    terms = mrdib(codes)
    assert list(terms) == ["kl/image", "kl/audio"]
    for m in ("image", "audio"):
        assert terms[f"kl/{m}"].item() == pytest.approx(kl_of(codes, m), rel=1e-5)
    mrdib.prepare_epoch(1)
    weights = mrdib.loss_weights
    assert (weights["kl/image"], weights["kl/audio"]) == (0.1, 0.2) and "kl" not in weights


def test_equal_weights_per_modality_are_one_weight():
    names, totals = NAMES[:2], []
    for alpha in (0.3, {"text": 0.3, "image": 0.3}):
        mrdib = build(names, alpha_kl=alpha, alpha_redundancy=0, kl_warmup_epochs=0)
        terms, weights = mrdib(make_codes(mrdib, names)), mrdib.loss_weights
        totals.append(sum(weights[name] * term for name, term in terms.items()).item())
    assert totals[0] == pytest.approx(totals[1], rel=1e-6)
    none = build(names, alpha_kl={}, alpha_redundancy=0)
    assert none(make_codes(none, names)) == {}


def test_weights_are_the_alphas_and_kl_warms_up():
    mrdib = build(
        NAMES[:2], alpha_kl=0.4, alpha_redundancy=0.5, alpha_unique=0.6, kl_warmup_epochs=4
    )
    seen = []
    for epoch in range(6):
        mrdib.prepare_epoch(epoch)
        weights = mrdib.loss_weights
        seen.append(weights.pop("kl"))
        assert weights == {"redundancy": 0.5, "unique": 0.6, "estimator": 1.0}
    assert seen == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.4, 0.4])
    assert build(NAMES, alpha_kl=0.4, kl_warmup_epochs=0).loss_weights["kl"] == 0.4


def test_zero_weights_skip_their_computation(monkeypatch):
    calls = []
    count = {"estimator": Product, "alpha_kl": 0.0, "alpha_redundancy": 0.0, "alpha_unique": 0.0}
    monkeypatch.setattr(Product, "forward", lambda *_, **__: calls.append("redundancy"))
    monkeypatch.setattr(Product, "learning_loss", lambda *_, **__: calls.append("estimator"))
    monkeypatch.setattr(
        "mrdib_graph.mrdib.mrdib.kl_to_standard_normal", lambda _: calls.append("kl")
    )
    mrdib = build(NAMES, **count)
    before = seeded().get_state()
    generator = seeded()
    codes = mrdib.compress(rows_of(NAMES), generator)
    scores = Scores(alone=dict.fromkeys(NAMES))
    terms = mrdib({"item": codes}, scores, lambda _: calls.append("unique"), generator=generator)
    assert terms == {} and calls == []
    assert torch.equal(generator.get_state(), before), "deterministic codes must draw nothing"
    assert not list(mrdib.parameters()), "nothing to learn where every weight is 0"
    assert all(code.sample is code.mean for code in codes.values())


def test_each_weight_alone_computes_its_own_term_only():
    for name, term in (
        ("alpha_kl", {"kl"}),
        ("alpha_redundancy", {"redundancy", "estimator"}),
        ("alpha_unique", {"unique"}),
    ):
        zero = {"alpha_kl": 0.0, "alpha_redundancy": 0.0, "alpha_unique": 0.0}
        mrdib = build(NAMES[:3], **{**zero, name: 0.1})
        codes = mrdib.compress(rows_of(NAMES[:3]), seeded())
        scores = Scores(alone=dict.fromkeys(NAMES[:3], torch.ones(())))
        terms = mrdib({"item": codes}, scores, lambda score: score, generator=seeded())
        assert set(terms) == term


def test_eval_mode_has_no_kl_and_codes_are_means():
    mrdib = build(NAMES[:2], alpha_kl=0.1).eval()
    rows = rows_of(NAMES[:2])
    codes = mrdib.compress(rows)
    assert all(torch.equal(codes[m].sample, rows[m]) and codes[m].log_var is None for m in rows)
    assert "kl" not in mrdib({"item": codes})


def test_names_beside_the_modalities_pass_unread():
    mrdib = build(NAMES[:2])
    codes = mrdib.compress({**rows_of(NAMES[:1]), "id": torch.zeros(24, 3)})
    assert list(codes) == ["image"]


@pytest.mark.parametrize("estimator", ["gaussian", "mine", "club"])
@pytest.mark.parametrize("where", ["first", "half"])
def test_a_masked_row_changes_no_term_and_gets_no_gradient(estimator, where):
    names = NAMES[:3]
    mrdib = build(names, estimator=estimator, alpha_kl=0.1)
    n = 60
    mask = torch.ones(n, dtype=torch.bool)
    mask[slice(0, 1) if where == "first" else slice(0, n, 2)] = False
    results = []
    for content in (0.0, 50.0):
        rows = {m: x.clone() for m, x in rows_of(names, n=n).items()}
        rows["text"][~mask] = content
        for x in rows.values():
            x.requires_grad_()
        mrdib.zero_grad()
        state = {name: value.clone() for name, value in mrdib.state_dict().items()}
        codes = mrdib.compress(rows, seeded())
        terms = mrdib(
            {"item": codes},
            Scores(alone={m: c.sample[mask] for m, c in codes.items()}, masks={"text": mask}),
            lambda z: z.square().mean(),
            generator=seeded(1),
        )
        torch.stack(list(terms.values())).sum().backward()
        assert not rows["text"].grad[~mask].any()
        assert rows["text"].grad[mask].any()
        gradients = [p.grad.clone() for p in mrdib.parameters() if p.grad is not None]
        results.append([*terms.values(), *gradients, rows["image"].grad])
        mrdib.load_state_dict(state)  # MINE's moving average moves in each call
    assert len(results[0]) > 4
    for first, second in zip(*results, strict=True):
        assert torch.equal(first, second)


def test_a_pair_without_two_common_rows_has_no_redundancy():
    mrdib = build(NAMES[:2], alpha_unique=0)
    codes = mrdib.compress(rows_of(NAMES[:2]))
    text = torch.zeros(24, dtype=torch.bool)
    assert mrdib({"item": codes}, Scores(masks={"text": text})) == {}
    text[5] = True
    assert mrdib({"item": codes}, Scores(masks={"text": text})) == {}


def test_kl_of_a_modality_that_no_row_has_is_zero():
    mrdib = build(["text"], alpha_kl=0.1, alpha_unique=0)
    codes = mrdib.compress(rows_of(["text"]), seeded())
    terms = mrdib({"item": codes}, Scores(masks={"text": torch.zeros(24, dtype=torch.bool)}))
    assert terms["kl"].item() == 0


@pytest.mark.parametrize("estimator", ["mine", "club"])
def test_the_critics_step_does_not_depend_on_alpha(estimator):
    gradients = []
    for alpha in (1e-4, 0.5):
        mrdib = build(NAMES[:2], estimator=estimator, alpha_redundancy=alpha, alpha_unique=0)
        rows = {m: x.requires_grad_() for m, x in rows_of(NAMES[:2]).items()}
        terms = mrdib({"item": mrdib.compress(rows)}, generator=seeded(2))
        weights = mrdib.loss_weights
        sum(weights[name] * term for name, term in terms.items()).backward()
        critic = [p.grad for p in mrdib.estimators.parameters()]
        assert all(g is not None for g in critic) and any(g.any() for g in critic)
        gradients.append((critic, rows["image"].grad))
    assert all(torch.equal(a, b) for a, b in zip(gradients[0][0], gradients[1][0], strict=True))
    torch.testing.assert_close(gradients[1][1], gradients[0][1] * 5000, rtol=1e-3, atol=1e-9)


def test_one_estimator_per_pair_with_its_options():
    mrdib = build(NAMES, estimator=Product, estimator_options={"scale": 3.0})
    assert list(mrdib.estimators) == [f"{a}|{b}" for a, b in itertools.combinations(NAMES, 2)]
    assert all(e.scale == 3.0 and e.embedding_dim == 5 for e in mrdib.estimators.values())
    weights = {id(e.weight) for e in mrdib.estimators.values()}
    assert len(weights) == 6


def test_same_seed_same_bits():
    def run():
        mrdib = build(NAMES[:3], estimator="mine", alpha_kl=0.1)
        generator = seeded(4)
        codes = mrdib.compress(rows_of(NAMES[:3]), generator)
        scores = Scores(alone={m: code.sample for m, code in codes.items()})
        return mrdib({"item": codes}, scores, torch.sum, generator=generator)

    first, second = run(), run()
    assert set(first) == {"kl", "redundancy", "unique", "estimator"}
    assert all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"modalities": []}, "modalities: MRdIB needs at least one"),
        ({"alpha_kl": -0.1}, r"alpha_kl: got -0\.1, expected 0 or more"),
        ({"alpha_kl": {"image": -1}}, r"alpha_kl\['image'\]: got -1, expected 0 or more"),
        ({"alpha_kl": {"image": "much"}}, r"alpha_kl\['image'\]: got 'much', expected 0 or more"),
        ({"alpha_kl": {"txt": 1}}, "alpha_kl: there is no modality 'txt'; did you mean 'text'"),
        ({"embedding_dim": 0}, "embedding_dim: got 0, expected a whole number, 1 or more"),
        ({"alpha_redundancy": -1}, "alpha_redundancy: got -1"),
        ({"alpha_unique": float("nan")}, "alpha_unique: got nan"),
        ({"kl_warmup_epochs": -2}, "kl_warmup_epochs: got -2"),
        ({"estimator": "mime"}, "'mime' is unknown; did you mean 'mine'"),
        ({"estimator_options": {"florr": 1}}, "option 'florr' is unknown; did you mean 'floor'"),
        ({"mean": "cubic"}, "mean: got 'cubic'"),
        ({"decoder": "mlp"}, "decoder: got 'mlp'"),
        ({"unique": "only"}, "unique: got 'only', expected alone or residual"),
    ],
)
def test_bad_options_are_named(options, message):
    with pytest.raises(ConfigError, match=message):
        MRdIB(**{"modalities": NAMES[:2], "embedding_dim": 5, **options})


def test_embeddings_of_another_width_are_refused():
    with pytest.raises(ConfigError, match="MRdIB has 64, the embeddings of 'image' are 5 wide"):
        MRdIB(["image"]).compress(rows_of(["image"]))


def test_a_residual_term_stands_on_the_other_scores_held_fixed():
    alone = {m: torch.tensor(float(i), requires_grad=True) for i, m in enumerate(NAMES[:3])}
    mrdib = build(NAMES[:3], alpha_redundancy=0, unique="residual")
    terms = mrdib({}, Scores(alone=alone), lambda score: score**2)
    assert terms["unique"].item() == 3 * 3**2
    terms["unique"].backward()
    assert [x.grad.item() for x in alone.values()] == [6.0] * 3  # each through its own score


def test_scores_alone_need_the_loss_that_reads_them():
    with pytest.raises(ConfigError, match=r"target_loss: got none, expected the loss of scores\."):
        build(["text"])({}, Scores(alone={"text": torch.zeros(())}))


def test_a_decoder_maps_what_scores_alone():
    mrdib = build(["text"], decoder="linear", mean="linear")
    torch.nn.init.normal_(mrdib.decoders["text"].linear.weight, generator=seeded(1))
    codes = mrdib.compress(rows_of(["text"]))
    expected = codes["text"].sample @ mrdib.decoders["text"].linear.weight.T
    torch.testing.assert_close(mrdib.decode(codes)["text"], expected)
    plain = build(["text"])
    codes = plain.compress(rows_of(["text"]))
    assert plain.decode(codes)["text"] is codes["text"].sample
