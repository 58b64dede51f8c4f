"""The product of Gaussians against densities multiplied on a grid."""

import pytest
import torch
from torch.distributions import Normal

from mrdib_graph.errors import ConfigError
from mrdib_graph.mrdib import GaussianBottleneck
from mrdib_graph.nn import ProductOfExperts, product_of_gaussians
from mrdib_graph.typing import GaussianCode

GRID = torch.linspace(-30, 30, 600_001, dtype=torch.float64)


def integrated(experts):
    """Mean and variance of the normalised product of N(0, 1) and experts (mean, deviation)."""
    log = Normal(0.0, 1.0).log_prob(GRID)
    for mean, deviation in experts:
        log = log + Normal(mean, deviation).log_prob(GRID)
    density = (log - log.max()).exp()
    density = density / density.sum()
    mean = float((density * GRID).sum())
    return mean, float((density * (GRID - mean) ** 2).sum())


def code(mean, log_var):
    return GaussianCode(mean, log_var, mean)


def random_codes(n=5, d=3, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return {
        m: code(*torch.randn(2, n, d, dtype=torch.float64, generator=generator))
        for m in ("image", "text", "audio")
    }


def test_equals_the_product_of_the_densities():
    codes = random_codes()
    masks = {
        "image": torch.tensor([True, True, False, False, True]),
        "audio": torch.tensor([True, False, True, False, True]),
    }
    mean, log_var = product_of_gaussians(codes, masks)
    for row in range(5):
        for column in range(3):
            experts = [
                (float(c.mean[row, column]), float((0.5 * c.log_var[row, column]).exp()))
                for m, c in codes.items()
                if m not in masks or masks[m][row]
            ]
            expected = integrated(experts)
            assert float(mean[row, column]) == pytest.approx(expected[0], abs=1e-6)
            assert float(log_var[row, column].exp()) == pytest.approx(expected[1], abs=1e-6)


def test_without_any_expert_it_is_the_prior_and_a_sure_one_decides():
    codes = random_codes()
    none = {m: torch.zeros(5, dtype=torch.bool) for m in codes}
    mean, log_var = product_of_gaussians(codes, none)
    assert not mean.any() and not log_var.any()
    sure = {**codes, "text": code(codes["text"].mean, torch.full((5, 3), -18.0).double())}
    mean, log_var = product_of_gaussians(sure)
    torch.testing.assert_close(mean, codes["text"].mean, atol=1e-6, rtol=1e-6)
    torch.testing.assert_close(log_var, torch.full_like(log_var, -18.0), atol=1e-6, rtol=1e-6)


def test_the_order_does_not_matter_and_each_expert_makes_it_surer():
    codes = random_codes()
    turned = dict(reversed(codes.items()))
    for one, other in zip(product_of_gaussians(codes), product_of_gaussians(turned), strict=True):
        torch.testing.assert_close(one, other)
    two = {m: codes[m] for m in ("image", "text")}
    assert bool((product_of_gaussians(codes)[1] < product_of_gaussians(two)[1]).all())


def test_it_takes_the_codes_of_the_bottleneck():
    bottleneck = GaussianBottleneck(4)
    x = torch.randn(6, 4)
    mean, log_var = product_of_gaussians({"text": bottleneck(x)})
    assert mean.shape == log_var.shape == (6, 4)
    with pytest.raises(ConfigError, match="that of 'text' has no variance"):
        product_of_gaussians({"text": bottleneck.eval()(x)})
    with pytest.raises(ConfigError, match="codes: got none"):
        product_of_gaussians({})


def made(seed=0):
    torch.manual_seed(seed)
    fuser = ProductOfExperts(["image", "text"], 4)
    rows = {m: torch.randn(6, 4) for m in ("image", "text")}
    return fuser, rows


def test_the_module_fuses_its_experts():
    fuser, rows = made()
    fuser.eval()
    fused = fuser(rows)
    for m in rows:
        expert = fuser.experts(rows)[m]
        assert torch.equal(expert.mean, rows[m])
        assert torch.equal(expert.log_var, fuser.log_var[m](rows[m]))
    mean, log_var = product_of_gaussians(fuser.experts(rows))
    assert torch.equal(fused.mean, mean) and torch.equal(fused.log_var, log_var)
    assert fused.sample is fused.mean


def test_a_zero_row_has_no_expert():
    fuser, rows = made()
    fuser.eval()
    rows["text"][2:4] = 0
    mask = torch.tensor([True, True, False, False, True, True])
    for one, other in zip(fuser(rows), fuser(rows, {"text": mask}), strict=True):
        assert torch.equal(one, other)
    rows["image"][3] = 0
    empty = fuser(rows)
    assert not empty.mean[3].any() and not empty.log_var[3].any()
    # a mask says what counts: this row of zeros is an expert's mean, and it pulls to 0
    pulled = fuser(rows, {"text": torch.ones(6, dtype=torch.bool)})
    assert bool((pulled.mean[2].abs() < fuser(rows).mean[2].abs()).all())


def test_samples_have_the_mean_and_the_variance():
    fuser, rows = made()
    generator = torch.Generator().manual_seed(0)
    drawn = torch.stack([fuser(rows, generator=generator).sample for _ in range(4000)])
    code = fuser(rows)
    deviation = (0.5 * code.log_var).exp()
    assert bool(((drawn.mean(0) - code.mean).abs() < 5 * deviation / 4000**0.5).all())
    assert bool(((drawn.std(0) / deviation - 1).abs() < 0.07).all())


def test_what_is_sure_can_be_learned():
    """One modality shows the target, the other is noise: the fused mean finds the target."""
    torch.manual_seed(0)
    fuser = ProductOfExperts(["good", "bad"], 2)
    target, noise = torch.randn(256, 2), torch.randn(256, 2)
    optimizer = torch.optim.Adam(fuser.parameters(), 0.1)
    rows = {"good": target, "bad": noise}
    before = None
    for _ in range(100):
        loss = (fuser(rows).mean - target).square().mean()
        before = float(loss.detach()) if before is None else before
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert float(loss.detach()) < 0.02 * before
    with torch.no_grad():
        codes = fuser.experts(rows)
    assert float(codes["good"].log_var.mean()) < float(codes["bad"].log_var.mean()) - 3


def test_refuses_no_modality():
    with pytest.raises(ConfigError, match="needs at least one"):
        ProductOfExperts([], 4)
