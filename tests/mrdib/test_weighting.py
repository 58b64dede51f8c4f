import math

import pytest
import torch

from mrdib_graph.errors import ConfigError
from mrdib_graph.mrdib import DynamicWeightAverage, MRdIB, UncertaintyWeighting, Weighting
from mrdib_graph.mrdib.weighting import build_weighting

ALPHAS = {"kl": 0.01, "redundancy": 0.3, "unique": 0.1, "synergy": 0.0}


def terms(**values):
    return {name: torch.tensor(float(value)) for name, value in values.items()}


def test_fixed_weights_are_the_alphas_and_nothing_is_learned():
    weighting = Weighting(ALPHAS)
    assert weighting.observe(terms(kl=3)) == {} and not weighting.state_dict()
    weighting.prepare_epoch(0)
    assert weighting.weights() == ALPHAS and not weighting.learned


def test_names():
    kinds = {"fixed": Weighting, "uncertainty": UncertaintyWeighting, "dwa": DynamicWeightAverage}
    assert {name: type(build_weighting(name, ALPHAS)) for name in kinds} == kinds
    with pytest.raises(ConfigError, match="weighting: got 'magic', expected fixed, uncertainty or"):
        build_weighting("magic", ALPHAS)
    with pytest.raises(ConfigError, match="weighting: got 'magic'"):
        MRdIB(["image"], weighting="magic")


# ------------------------------------------------------------------------- uncertainty


def test_uncertainty_starts_at_the_alphas_and_has_the_gradient_of_kendalls_sum():
    weighting = UncertaintyWeighting(ALPHAS)
    assert weighting.weights() == {**ALPHAS, "weighting": 1.0}
    assert set(dict(weighting.named_parameters())) == {"shift.kl", "shift.unique"}
    values = {"kl": 40.0, "redundancy": -0.2, "unique": 1.3}
    live = {name: torch.tensor(v, requires_grad=True) for name, v in values.items()}
    for name, shift in weighting.shift.items():  # anywhere, not only at the start
        shift.data.fill_(0.7 if name == "kl" else -0.4)
    weights = weighting.weights()
    total = sum(weights[name] * value for name, value in live.items())
    own = weighting.observe(live)["weighting"]
    (total + own).backward()

    s = {"kl": -math.log(0.01) + 0.7, "unique": -math.log(0.1) - 0.4}
    expected = sum(math.exp(-s[k]) * values[k] + 0.5 * s[k] for k in s) + 0.3 * -0.2
    assert (total + own).item() == pytest.approx(expected, rel=1e-6)
    for name in s:
        slope = -math.exp(-s[name]) * values[name] + 0.5
        assert weighting.shift[name].grad.item() == pytest.approx(slope, rel=1e-5)
        assert live[name].grad.item() == pytest.approx(math.exp(-s[name]), rel=1e-6)
    assert live["redundancy"].grad.item() == pytest.approx(0.3)


def test_uncertainty_comes_to_rest_at_half_the_inverse_of_each_term():
    weighting = UncertaintyWeighting(ALPHAS)
    optimizer = torch.optim.Adam(weighting.parameters(), lr=0.05)
    for _ in range(600):
        optimizer.zero_grad()
        weighting.observe(terms(kl=40, unique=1.25, redundancy=0.1))["weighting"].backward()
        optimizer.step()
    weights = weighting.weights()
    assert weights["kl"] == pytest.approx(1 / 80, rel=1e-3)
    assert weights["unique"] == pytest.approx(0.4, rel=1e-3)
    assert (weights["redundancy"], weights["synergy"]) == (0.3, 0.0)


@pytest.mark.parametrize("value", [0.0, 1e-9, -3.0])
def test_a_term_near_or_below_zero_has_a_largest_weight(value):
    weighting = UncertaintyWeighting({"synergy": 0.5}, max_weight=4.0)
    optimizer = torch.optim.Adam(weighting.parameters(), lr=0.05)
    for _ in range(600):
        optimizer.zero_grad()
        weighting.observe(terms(synergy=value))["weighting"].backward()
        optimizer.step()
    assert weighting.weights()["synergy"] == pytest.approx(4.0, rel=1e-3)


def test_uncertainty_reads_the_terms_that_are_there():
    weighting = UncertaintyWeighting(ALPHAS)
    weighting.observe(terms(unique=1.0))["weighting"].backward()
    assert weighting.shift["kl"].grad is None and weighting.shift["unique"].grad != 0
    assert weighting.observe(terms(redundancy=1.0)) == {}
    assert UncertaintyWeighting({"redundancy": 1.0}).observe(terms(redundancy=1.0)) == {}


# --------------------------------------------------------------------------------- dwa


def slow_dwa(history, temperature=2.0):
    """Factors of the epoch after a list of epochs, each a list of means, from the formula."""
    if len(history) < 2:
        return [1.0] * len(history[0])
    ratios = [
        min(2.0, max(new, 0.01) / max(old, 0.01))
        for new, old in zip(history[-1], history[-2], strict=True)
    ]
    powers = [math.exp(r / temperature) for r in ratios]
    return [len(powers) * p / sum(powers) for p in powers]


def test_dwa_by_hand():
    weighting = DynamicWeightAverage({"kl": 0.5, "unique": 2.0})
    for epoch, (kl, unique) in enumerate([(8.0, 1.0), (4.0, 1.0), (4.0, 0.5)]):
        weighting.prepare_epoch(epoch)
        weighting.observe(terms(kl=kl + 1, unique=unique))  # the mean of two steps
        weighting.observe(terms(kl=kl - 1, unique=unique))
        if epoch < 2:
            assert weighting.weights() == {"kl": 0.5, "unique": 2.0}
        else:  # ratios 1/2 and 1
            share = math.exp(0.25) / (math.exp(0.25) + math.exp(0.5))
            expected = {"kl": 0.5 * 2 * share, "unique": 2.0 * 2 * (1 - share)}
            assert weighting.weights() == pytest.approx(expected, rel=1e-6)
    weighting.prepare_epoch(3)  # ratios 1 and 1/2
    assert weighting.weights()["kl"] == pytest.approx(0.5 * 2 * (1 - share), rel=1e-6)


def test_dwa_equals_the_formula_over_many_epochs_and_the_factors_sum_to_their_number():
    generator = torch.Generator().manual_seed(0)
    alphas = {"kl": 0.1, "redundancy": 0.2, "unique": 0.3, "synergy": 0.4}
    weighting, history = DynamicWeightAverage(alphas), []
    for epoch in range(12):
        weighting.prepare_epoch(epoch)
        factors = slow_dwa(history) if history else [1.0] * 4
        expected = [alpha * f for alpha, f in zip(alphas.values(), factors, strict=True)]
        assert list(weighting.weights().values()) == pytest.approx(expected, rel=1e-5)
        assert weighting.factors.sum().item() == pytest.approx(4, rel=1e-6)
        steps = torch.randn(5, 4, generator=generator) + torch.tensor([20.0, 0.0, 1.0, 0.5])
        for step in steps.tolist():  # the redundancy is below 0 in about half of the epochs
            weighting.observe(terms(**dict(zip(alphas, step, strict=True))))
        history.append(steps.mean(0).tolist())
    assert min(row[1] for row in history) < 0 < max(row[1] for row in history)


def test_dwa_does_not_move_where_an_epoch_goes_on():
    weighting = DynamicWeightAverage(ALPHAS)
    for epoch in range(3):
        weighting.prepare_epoch(epoch)
        weighting.observe(terms(kl=8.0 - epoch, redundancy=0.1, unique=1.0))
    other = DynamicWeightAverage(ALPHAS)
    other.load_state_dict(weighting.state_dict())
    other.prepare_epoch(2)  # resumed inside epoch 2
    assert other.weights() == weighting.weights()
    for w in (weighting, other):
        w.observe(terms(kl=3.0, redundancy=0.1, unique=1.0))
        w.prepare_epoch(3)
    assert other.weights() == weighting.weights()
    assert weighting.weights()["kl"] < ALPHAS["kl"]


def test_dwa_skips_epochs_in_which_a_term_is_in_no_step():
    weighting = DynamicWeightAverage({"kl": 1.0, "redundancy": 1.0})
    for epoch, redundancy in enumerate([0.8, None, 0.4]):
        weighting.prepare_epoch(epoch)
        weighting.observe(
            terms(kl=1.0, **({} if redundancy is None else {"redundancy": redundancy}))
        )
    weighting.prepare_epoch(3)
    share = math.exp(0.25) / (math.exp(0.25) + math.exp(0.5))  # ratio .4 / .8
    assert weighting.weights()["redundancy"] == pytest.approx(2 * share, rel=1e-6)


def test_dwa_keeps_the_last_ratio_where_a_term_is_in_no_step_of_the_last_epoch():
    weighting = DynamicWeightAverage({"kl": 1.0, "redundancy": 1.0})
    for epoch, redundancy in enumerate([{"redundancy": 0.8}, {"redundancy": 0.4}, {}]):
        weighting.prepare_epoch(epoch)
        weighting.observe(terms(kl=1.0, **redundancy))
    weighting.prepare_epoch(3)
    share = math.exp(0.25) / (math.exp(0.25) + math.exp(0.5))  # ratio .4 / .8
    assert weighting.weights()["redundancy"] == pytest.approx(2 * share, rel=1e-6)


def test_one_term_alone_keeps_its_alpha():
    weighting = DynamicWeightAverage({"unique": 0.1, "kl": 0.0})
    for epoch in range(4):
        weighting.prepare_epoch(epoch)
        weighting.observe(terms(unique=1 / (epoch + 1)))
        assert weighting.weights() == pytest.approx({"unique": 0.1, "kl": 0.0}, rel=1e-6)


@pytest.mark.parametrize(
    ("cls", "options"),
    [
        (UncertaintyWeighting, {"max_weight": 0.0}),
        (DynamicWeightAverage, {"temperature": 0.0}),
        (DynamicWeightAverage, {"floor": -1.0}),
    ],
)
def test_options_out_of_range_are_named(cls, options):
    with pytest.raises(ConfigError, match=f"{next(iter(options))}: got .*, expected more than 0"):
        cls(ALPHAS, **options)


# --------------------------------------------------------------------- inside the module


def build(weighting, **options):
    torch.manual_seed(0)
    alphas = {"alpha_kl": 0.2, "alpha_redundancy": 0.3, "alpha_unique": 0.4, "alpha_synergy": 0.5}
    return MRdIB(["image", "text"], 4, weighting=weighting, **{**alphas, **options})


def step(mrdib):
    generator = torch.Generator().manual_seed(1)
    rows = {m: torch.randn(40, 4, generator=generator) for m in mrdib.modalities}
    codes = mrdib.compress(rows, generator)
    return mrdib(
        {"item": codes},
        lambda m: codes[m].sample.square().mean(),
        generator=generator,
        synergy_loss=lambda margin: codes["text"].sample.abs().mean() + margin,
    )


@pytest.mark.parametrize("name", ["fixed", "uncertainty", "dwa"])
def test_weights_of_the_module(name):
    mrdib = build(name, kl_warmup_epochs=2)
    mrdib.prepare_epoch(0)
    expected = {"kl": 0.1, "redundancy": 0.3, "unique": 0.4, "synergy": 0.5}
    extra = {"weighting": 1.0} if name == "uncertainty" else {}
    assert mrdib.loss_weights == pytest.approx({**expected, "estimator": 1.0, **extra})
    assert mrdib.learned_weights == pytest.approx({} if name == "fixed" else expected)
    found = step(mrdib)
    assert set(found) == {*expected, "estimator", *extra}
    assert found["synergy"] > 1  # with the margin of 1
    mrdib.prepare_epoch(5)
    assert mrdib.loss_weights["kl"] == pytest.approx(0.2)


@pytest.mark.parametrize("name", ["uncertainty", "dwa"])
def test_the_terms_themselves_are_those_of_fixed_weights(name):
    fixed, other = step(build("fixed")), step(build(name))
    assert all(torch.equal(other[term], value) for term, value in fixed.items())


def test_nothing_is_counted_in_eval_mode():
    for name in ("uncertainty", "dwa"):
        mrdib = build(name).eval()
        before = {k: v.clone() for k, v in mrdib.state_dict().items()}
        assert "weighting" not in step(mrdib)
        assert all(torch.equal(v, before[k]) for k, v in mrdib.state_dict().items())
