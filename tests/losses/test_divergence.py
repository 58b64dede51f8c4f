import pytest
import torch
from torch.distributions import Normal, kl_divergence

from mrdib_graph.errors import ConfigError
from mrdib_graph.losses import kl_to_standard_normal
from mrdib_graph.typing import GaussianCode


@pytest.fixture
def rows():
    return torch.randn(5, 6, generator=torch.Generator().manual_seed(0))


def test_kl_equals_the_divergence_of_torch_distributions(rows):
    log_var = rows.roll(1, 0) * 0.8 - 1
    code = GaussianCode(rows, log_var, rows)
    expected = kl_divergence(Normal(rows, (0.5 * log_var).exp()), Normal(0.0, 1.0)).sum(1)
    torch.testing.assert_close(kl_to_standard_normal(code), expected)


def test_kl_of_the_standard_normal_is_zero():
    zeros = torch.zeros(3, 4)
    assert kl_to_standard_normal(GaussianCode(zeros, zeros, zeros)).tolist() == [0, 0, 0]


def test_kl_of_a_deterministic_code_is_refused(rows):
    code = GaussianCode(rows, None, rows)
    with pytest.raises(ConfigError, match="no variance"):
        kl_to_standard_normal(code)
