# ruff: noqa: ARG002
import itertools
import math

import pytest
import torch

from mrdib_graph.errors import ConfigError
from mrdib_graph.estimators import CLUB, HSIC, MINE, Gaussian, InfoNCE, MIEstimator
from mrdib_graph.mrdib import MRdIB
from mrdib_graph.mrdib.redundancy import comparisons
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


def build(names, **options):
    torch.manual_seed(0)
    return MRdIB(names, 3, **{"alpha_unique": 0, "redundancy": "total_correlation", **options})


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
    assert comparisons(NAMES[:3], "pairwise") == [
        (("image",), "text"),
        (("image",), "audio"),
        (("text",), "audio"),
    ]
    chain = comparisons(NAMES, "total_correlation")
    assert chain == [(tuple(NAMES[:k]), NAMES[k]) for k in (1, 2, 3)]
    assert [c.name for c in chain] == ["image|text", "image+text|audio", "image+text+audio|video"]
    assert comparisons(NAMES[:1], "total_correlation") == comparisons(NAMES[:1], "pairwise") == []
    with pytest.raises(ConfigError, match="redundancy: got 'joint', expected pairwise or total"):
        comparisons(NAMES, "joint")


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
    pairs = build(NAMES[:3], redundancy="pairwise")({"item": codes})["redundancy"].item()
    assert total == pytest.approx(-1.5 * math.log(0.25 * 2), abs=0.02)
    assert pairs == pytest.approx(-1.5 * math.log(0.75), abs=0.02)


def test_pairwise_misses_what_only_three_show_and_total_correlation_does_not():
    """Sums: audio is image + text, so no pair tells all of it; with a little noise it is finite."""
    generator = torch.Generator().manual_seed(0)
    a, b, noise = torch.randn(3, 40_000, 3, generator=generator)
    together = (a + b + 0.1 * noise) / math.sqrt(2.01)
    codes = {m: GaussianCode(z, None, z) for m, z in zip(NAMES, (a, b, together), strict=False)}
    total = build(NAMES[:3])({"item": codes})["redundancy"].item()
    pairs = build(NAMES[:3], redundancy="pairwise")({"item": codes})["redundancy"].item()
    assert total == pytest.approx(1.5 * math.log(201), rel=0.02)  # -1/2 log(.01 / 2.01) a column
    assert 3 * pairs == pytest.approx(2 * 1.5 * math.log(2.01 / 1.01), rel=0.02)


@pytest.mark.parametrize("estimator", ["gaussian", "mine", "club", "infonce", "hsic"])
def test_with_two_modalities_both_forms_are_one_bit_for_bit(estimator):
    codes, results = codes_of(NAMES[:2], dtype=torch.float32), []
    for form in ("pairwise", "total_correlation"):
        mrdib = build(NAMES[:2], estimator=estimator, redundancy=form)
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
    terms = build(NAMES[:3], estimator=Widths)(
        {"item": codes}, masks={"audio": audio, "text": text}
    )
    z = {m: code.sample for m, code in codes.items()}
    first = z["image"][text].sum() + 100 * z["text"][text].sum()
    rows = audio & text
    second = z["image"][rows].sum() + z["text"][rows].sum() + 100 * z["audio"][rows].sum()
    torch.testing.assert_close(terms["redundancy"], first + second)
    none = torch.zeros(8, dtype=torch.bool)
    terms = build(NAMES[:3], estimator=Widths)({"item": codes}, masks={"audio": none, "text": text})
    torch.testing.assert_close(terms["redundancy"], first)


def test_the_masks_are_those_of_items_alone():
    codes = codes_of(NAMES[:2], n=8)
    mask = torch.arange(8) < 5
    mrdib = build(NAMES[:2], estimator=Widths)
    found = mrdib({"user": codes, "item": codes}, None, {"text": mask}, ("user",))["redundancy"]
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
    for names, form in ((NAMES[:2], "total_correlation"), (NAMES, "pairwise")):
        terms = build(names, estimator=OneWidth, redundancy=form)({"item": codes_of(names)})
        assert terms["redundancy"].isfinite()
    assert build(NAMES, estimator=OneWidth, alpha_redundancy=0)({"item": codes_of(NAMES)}) == {}


def test_the_width_cannot_be_set_by_hand():
    with pytest.raises(ConfigError, match="option 'first_dim' follows from the data"):
        build(NAMES[:2], estimator="mine", estimator_options={"first_dim": 4})
