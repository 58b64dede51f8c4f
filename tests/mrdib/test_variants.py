# ruff: noqa: ARG002
import itertools
import math

import pytest
import torch

from mrdib_graph import mrdib as mrdib_package
from mrdib_graph import resolver
from mrdib_graph.errors import ConfigError
from mrdib_graph.estimators import CLUB, HSIC, MINE, Gaussian, InfoNCE, MIEstimator
from mrdib_graph.mrdib import EvidenceBound, FreeBits, MRdIB, Scores, TotalCorrelation
from mrdib_graph.mrdib.mrdib import per_modality
from mrdib_graph.typing import GaussianCode

NAMES = ["image", "text", "audio", "video"]
EXACT = {"correct_bias": False, "floor": 1e-8, "ridge": 1e-14}


class Widths(MIEstimator):
    """Says what it was given: the widths, and a sum that a loop can repeat."""

    def forward(self, z1, z2, generator=None):
        z1, z2 = self.codes(z1, z2)
        return z1.sum() + 100 * z2.sum()


class OneWidth(MIEstimator):
    """Knows codes of one width only."""

    def __init__(self, embedding_dim: int) -> None:
        super().__init__(embedding_dim)

    def forward(self, z1, z2, generator=None):
        z1, z2 = self.codes(z1, z2)
        return (z1 * z2).mean()


def build(names, cls=TotalCorrelation, **options):
    torch.manual_seed(0)
    return cls(names, 3, **{"alpha_unique": 0, **options})


def codes_of(names, n=400, d=3, seed=0, dtype=torch.float64):
    """Codes that share a part: correlated within and across modalities."""
    generator = torch.Generator().manual_seed(seed)
    shared = torch.randn(n, d, generator=generator, dtype=dtype)
    codes = {}
    for i, m in enumerate(names):
        own = torch.randn(n, d, generator=generator, dtype=dtype)
        mixing = torch.randn(d, d, generator=generator, dtype=dtype)
        z = (shared * (0.3 + 0.2 * i) + own) @ mixing * 10.0**i
        codes[m] = GaussianCode(z, None, z)
    return codes


def log_det_total_correlation(codes):
    zs = [code.sample for code in codes.values()]
    separate = sum(torch.cov(z.T).logdet() for z in zs)
    return 0.5 * (separate - torch.cov(torch.cat(zs, 1).T).logdet())


def test_what_is_compared():
    assert build(NAMES[:3], MRdIB).comparisons == [
        (("image",), "text"),
        (("image",), "audio"),
        (("text",), "audio"),
    ]
    chain = build(NAMES).comparisons
    assert chain == [(tuple(NAMES[:k]), NAMES[k]) for k in (1, 2, 3)]
    assert [c.name for c in chain] == ["image|text", "image+text|audio", "image+text+audio|video"]
    assert build(NAMES[:1]).comparisons == build(NAMES[:1], MRdIB).comparisons == []


@pytest.mark.parametrize("count", [2, 3, 4])
def test_gaussian_chain_is_the_closed_form_of_all_codes(count):
    codes = codes_of(NAMES[:count])
    expected = log_det_total_correlation(codes)
    got = build(NAMES[:count], estimator_options=EXACT)({"item": codes})["redundancy"]
    torch.testing.assert_close(got, expected, rtol=1e-8, atol=1e-8)
    default = build(NAMES[:count])({"item": codes_of(NAMES[:count], n=20_000)})["redundancy"]
    many = log_det_total_correlation(codes_of(NAMES[:count], n=20_000))
    assert default.item() == pytest.approx(many.item(), abs=0.006)


def test_the_order_of_modalities_does_not_matter():
    codes, values = codes_of(NAMES[:3]), []
    for order in itertools.permutations(NAMES[:3]):
        values.append(build(order, estimator_options=EXACT)({"item": codes})["redundancy"].item())
    assert values == pytest.approx([values[0]] * 6, rel=1e-8)


def test_three_views_of_one_source_in_numbers():
    """Equal correlations r: the determinant of the correlations is (1 - r)^2 (1 + 2 r) a column."""
    generator = torch.Generator().manual_seed(0)
    source, *noise = torch.randn(4, 40_000, 3, generator=generator)
    codes = {
        m: GaussianCode(z, None, z)
        for m, z in zip(NAMES, [source + own for own in noise], strict=False)  # r = 1/2
    }
    total = build(NAMES[:3])({"item": codes})["redundancy"].item()
    pairs = build(NAMES[:3], MRdIB)({"item": codes})["redundancy"].item()
    assert total == pytest.approx(-1.5 * math.log(0.25 * 2), abs=0.02)
    assert pairs == pytest.approx(-1.5 * math.log(0.75), abs=0.02)


def test_pairwise_misses_what_only_three_show_and_total_correlation_does_not():
    """Sums: audio is image + text, so no pair tells all of it; with a little noise it is finite."""
    generator = torch.Generator().manual_seed(0)
    a, b, noise = torch.randn(3, 40_000, 3, generator=generator)
    together = (a + b + 0.1 * noise) / math.sqrt(2.01)
    codes = {m: GaussianCode(z, None, z) for m, z in zip(NAMES, (a, b, together), strict=False)}
    total = build(NAMES[:3])({"item": codes})["redundancy"].item()
    pairs = build(NAMES[:3], MRdIB)({"item": codes})["redundancy"].item()
    assert total == pytest.approx(1.5 * math.log(201), rel=0.02)  # -1/2 log(.01 / 2.01) a column
    assert 3 * pairs == pytest.approx(2 * 1.5 * math.log(2.01 / 1.01), rel=0.02)


@pytest.mark.parametrize("estimator", ["gaussian", "mine", "club", "infonce", "hsic"])
def test_with_two_modalities_both_forms_are_one_bit_for_bit(estimator):
    codes, results = codes_of(NAMES[:2], dtype=torch.float32), []
    for cls in (MRdIB, TotalCorrelation):
        mrdib = build(NAMES[:2], cls, estimator=estimator)
        terms = mrdib({"item": codes}, generator=torch.Generator().manual_seed(1))
        results.append([*terms.values(), *mrdib.state_dict().values()])
    assert all(torch.equal(a, b) for a, b in zip(*results, strict=True))


def test_estimators_see_the_codes_side_by_side_and_their_values_are_added_up():
    codes = codes_of(NAMES[:3], n=6)
    mrdib = build(NAMES[:3], estimator=Widths)
    assert list(mrdib.estimators) == ["image|text", "image+text|audio"]
    assert [(e.first_dim, e.embedding_dim) for e in mrdib.estimators.values()] == [(3, 3), (6, 3)]
    s = {m: code.sample.sum().item() for m, code in codes.items()}
    expected = (s["image"] + 100 * s["text"]) + (s["image"] + s["text"] + 100 * s["audio"])
    terms = mrdib({"item": codes})
    assert terms["redundancy"].item() == pytest.approx(expected, rel=1e-6)
    both = mrdib({"item": codes, "user": codes}, redundancy_on=("user", "item"))
    assert both["redundancy"].item() == pytest.approx(expected, rel=1e-6)  # a mean over types


def test_each_comparison_reads_the_rows_that_have_all_its_modalities():
    codes = codes_of(NAMES[:3], n=8)
    audio = torch.tensor([True, True, True, False, False, True, True, True])
    text = torch.tensor([True, False, True, True, True, True, True, True])
    masks = {"audio": audio, "text": text}
    terms = build(NAMES[:3], estimator=Widths)({"item": codes}, Scores(masks=masks))
    z = {m: code.sample for m, code in codes.items()}
    first = z["image"][text].sum() + 100 * z["text"][text].sum()
    rows = audio & text
    second = z["image"][rows].sum() + z["text"][rows].sum() + 100 * z["audio"][rows].sum()
    torch.testing.assert_close(terms["redundancy"], first + second)
    none = torch.zeros(8, dtype=torch.bool)
    masks = {"audio": none, "text": text}
    terms = build(NAMES[:3], estimator=Widths)({"item": codes}, Scores(masks=masks))
    torch.testing.assert_close(terms["redundancy"], first)


def test_the_masks_are_those_of_items_alone():
    codes = codes_of(NAMES[:2], n=8)
    mask = torch.arange(8) < 5
    mrdib = build(NAMES[:2], estimator=Widths)
    found = mrdib({"user": codes, "item": codes}, Scores(masks={"text": mask}), None, ("user",))[
        "redundancy"
    ]
    z = {m: code.sample for m, code in codes.items()}
    torch.testing.assert_close(found, z["image"].sum() + 100 * z["text"].sum())


@pytest.mark.parametrize("cls", [MINE, CLUB, InfoNCE, HSIC, Gaussian])
def test_gradients_reach_every_code_and_the_critics_step_ignores_alpha(cls):
    steps = []
    for alpha in (1e-3, 0.5):
        mrdib = build(NAMES[:3], estimator=cls, alpha_redundancy=alpha)
        rows = {
            m: code.sample.clone().requires_grad_()
            for m, code in codes_of(NAMES[:3], n=64, dtype=torch.float32).items()
        }
        terms = mrdib({"item": mrdib.compress(rows)}, generator=torch.Generator().manual_seed(2))
        weights = mrdib.loss_weights
        sum(weights[name] * term for name, term in terms.items()).backward()
        assert all(x.grad.any() and x.grad.isfinite().all() for x in rows.values())
        steps.append([p.grad for p in mrdib.estimators.parameters()])
    assert all(a is not None and torch.equal(a, b) for a, b in zip(*steps, strict=True))


def test_an_estimator_of_one_width_is_refused_where_another_is_needed():
    with pytest.raises(ConfigError, match="2 codes side by side, and OneWidth has no option first"):
        build(NAMES[:3], estimator=OneWidth)
    for names, cls in ((NAMES[:2], TotalCorrelation), (NAMES, MRdIB)):
        terms = build(names, cls, estimator=OneWidth)({"item": codes_of(names)})
        assert terms["redundancy"].isfinite()
    assert build(NAMES, estimator=OneWidth, alpha_redundancy=0)({"item": codes_of(NAMES)}) == {}


def test_the_width_cannot_be_set_by_hand():
    with pytest.raises(ConfigError, match="option 'first_dim' follows from the data"):
        build(NAMES[:2], estimator="mine", estimator_options={"first_dim": 4})


# -------------------------------------------------------------------------------- kl


def codes_with_kl(nats, nodes=6):
    """A modality to codes of so many nats each, at unit variance."""
    codes = {}
    for m, each in nats.items():
        mean = torch.zeros(nodes, 3)
        mean[:, 0] = math.sqrt(2 * each)
        codes[m] = GaussianCode(mean.requires_grad_(), torch.zeros(nodes, 3), mean)
    return codes


@pytest.mark.parametrize("one", [True, False])
def test_free_bits_are_a_floor_in_nats_under_each_modalitys_mean(one):
    free = {"image": 2.0, "audio": 7.0}
    alpha = 0.1 if one else dict.fromkeys(NAMES[:3], 0.1)
    mrdib = build(NAMES[:3], FreeBits, alpha_kl=alpha, free_bits=free, alpha_redundancy=0)
    codes = codes_with_kl({"image": 3.0, "text": 0.5, "audio": 4.0})
    expected = {"image": 3.0, "text": 0.5, "audio": 7.0}
    terms = mrdib({"user": codes, "item": codes})
    if one:
        assert terms["kl"].item() == pytest.approx(sum(expected.values()), rel=1e-5)
    else:
        assert {name: x.item() for name, x in terms.items()} == pytest.approx(
            {f"kl/{m}": x for m, x in expected.items()}, rel=1e-5
        )
    sum(terms.values()).backward()
    assert codes["image"].mean.grad.any() and codes["text"].mean.grad.any()
    assert not codes["audio"].mean.grad.any(), "below its floor nothing pulls"


def test_free_bits_of_a_modality_that_no_row_has_add_nothing():
    mrdib = build(["text"], FreeBits, free_bits=7.0)
    none = Scores(masks={"text": torch.zeros(6, dtype=torch.bool)})
    assert mrdib({"item": codes_with_kl({"text": 1.0})}, none)["kl"].item() == 0


def test_the_evidence_bound_prices_a_code_once_a_node():
    """One nat a node on 30 users and 20 items is 50 nats over all interactions."""
    mrdib = build(["a", "b"], EvidenceBound, alpha_redundancy=0, kl_warmup_epochs=0)
    codes = codes_with_kl({"a": 1.0, "b": 1.0})
    codes = {"user": {"a": codes["a"]}, "item": codes}
    with pytest.raises(ConfigError, match="EvidenceBound needs the size of the data; call prepare"):
        mrdib(codes)
    mrdib.prepare_epoch(0, {"user": 30, "item": 20, "interactions": 100})
    assert float(mrdib(codes)["kl"]) == pytest.approx(30 / 100 + 20 / 100 + 20 / 100)
    assert mrdib.loss_weights["kl"] == 1


@pytest.mark.parametrize(
    ("cls", "options", "message"),
    [
        (FreeBits, {"free_bits": -1}, "free_bits: got -1, expected 0 or more"),
        (FreeBits, {"free_bits": {"sound": 1}}, "free_bits: there is no modality 'sound'. Modali"),
        (EvidenceBound, {"alpha_kl": -1}, "alpha_kl: got -1, expected 0 or more"),
        (FreeBits, {"alpha_unique": -1}, "alpha_unique: got -1, expected 0 or more"),
    ],
)
def test_bad_options_are_named(cls, options, message):
    with pytest.raises(ConfigError, match=message):
        cls(NAMES[:2], 3, **options)


def test_a_settings_file_may_name_a_variant_and_its_options():
    query = resolver.resolve_class("free-bits", mrdib_package, MRdIB, "part")
    assert query is FreeBits
    given = {"modalities": NAMES[:2], "embedding_dim": 3}
    built = resolver.build(query, {"free_bits": 1.0, "alpha_unique": 0.5}, "arm mine", **given)
    assert built.free_bits == {"image": 1.0, "text": 1.0} and built.alpha_unique == 0.5
    with pytest.raises(ConfigError, match="arm mine: option 'free_bit' is unknown; did you mean"):
        resolver.build(query, {"free_bit": 1.0}, "arm mine", **given)
    with pytest.raises(ConfigError, match="arm mine: option 'alpha_uniqe' is unknown; did you"):
        resolver.build(query, {"alpha_uniqe": 1.0}, "arm mine", **given)


def test_values_by_modality():
    assert per_modality("x", 2.0, ["a", "b"]) == {"a": 2.0, "b": 2.0}
    assert per_modality("x", {"b": 2.0}, ["a", "b"]) == {"a": 0.0, "b": 2.0}
