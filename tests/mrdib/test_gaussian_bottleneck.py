import pytest
import torch

from mrdib_graph.errors import ConfigError
from mrdib_graph.losses import kl_to_standard_normal
from mrdib_graph.mrdib import GaussianBottleneck


@pytest.fixture
def rows():
    return torch.randn(50, 6, generator=torch.Generator().manual_seed(0))


def moved(bottleneck):
    """Give every parameter a value that no default hides behind."""
    with torch.no_grad():
        for parameter in bottleneck.parameters():
            parameter.normal_(std=0.5, generator=torch.Generator().manual_seed(1))
    return bottleneck


@pytest.mark.parametrize("mean", ["identity", "linear"])
def test_eval_mode_is_the_mean_and_calls_no_head(rows, mean):
    bottleneck = moved(GaussianBottleneck(6, mean)).eval()
    bottleneck.log_var = None  # eval mode must not miss it
    code = bottleneck(rows)
    linear = bottleneck.mean
    expected = rows if mean == "identity" else rows @ linear.weight.T + linear.bias
    torch.testing.assert_close(code.mean, expected)
    assert code.sample is code.mean and code.log_var is None


def test_training_mode_adds_the_noise_of_the_generator(rows):
    bottleneck = moved(GaussianBottleneck(6, "linear"))
    code = bottleneck(rows, torch.Generator().manual_seed(7))
    noise = torch.empty(50, 6).normal_(generator=torch.Generator().manual_seed(7))
    log_var = rows @ bottleneck.log_var.weight.T + bottleneck.log_var.bias
    torch.testing.assert_close(code.log_var, log_var)
    torch.testing.assert_close(code.sample, code.mean + log_var.exp().sqrt() * noise)


def test_sample_has_the_mean_and_the_variance_that_the_code_names():
    bottleneck = GaussianBottleneck(3, log_var_bias=-1.0)
    x = torch.tensor([[1.0, -2.0, 0.5]]).expand(40000, 3)
    code = bottleneck(x, torch.Generator().manual_seed(0))
    torch.testing.assert_close(code.sample.mean(0), x[0], atol=0.015, rtol=0)
    variance = code.log_var[0].exp()
    torch.testing.assert_close(code.sample.var(0), variance, atol=0.01, rtol=0)


def test_start_is_the_identity_with_a_small_variance(rows):
    code = GaussianBottleneck(6, "linear", log_var_bias=-6.0)(rows)
    torch.testing.assert_close(code.mean, rows)
    assert (code.log_var + 6).abs().max() < 0.3


def test_same_generator_same_bits_and_another_seed_other_bits(rows):
    bottleneck = GaussianBottleneck(6)
    first, again, other = (bottleneck(rows, torch.Generator().manual_seed(s)) for s in (3, 3, 4))
    assert torch.equal(first.sample, again.sample)
    assert not torch.equal(first.sample, other.sample)


def test_deterministic_code_has_no_head_and_draws_nothing(rows):
    bottleneck = GaussianBottleneck(6, stochastic=False)
    generator = torch.Generator().manual_seed(5)
    before = generator.get_state()
    code = bottleneck(rows, generator)
    assert code.sample is rows and code.log_var is None
    assert not list(bottleneck.parameters())
    assert torch.equal(generator.get_state(), before)


def test_extreme_rows_keep_the_variance_finite():
    bottleneck = moved(GaussianBottleneck(6))
    code = bottleneck(torch.full((2, 6), 1e6), torch.Generator().manual_seed(0))
    assert code.log_var.min() >= -20 and code.log_var.max() <= 10
    assert torch.isfinite(kl_to_standard_normal(code)).all()


def test_gradient_reaches_mean_and_variance(rows):
    bottleneck = GaussianBottleneck(6, "linear")
    x = rows.clone().requires_grad_()
    code = bottleneck(x, torch.Generator().manual_seed(0))
    code.sample.square().sum().backward()
    assert x.grad.any()
    assert all(p.grad is not None and p.grad.any() for p in bottleneck.parameters())


def test_unknown_mean_is_named():
    with pytest.raises(ConfigError, match=r"mean: got 'quadratic', expected identity or linear"):
        GaussianBottleneck(4, "quadratic")
