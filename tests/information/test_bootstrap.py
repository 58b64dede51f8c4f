import pytest
import torch

from mrdib_graph.information.bootstrap import bootstrap_means, interval, standard_errors, user_sums


def test_user_sums():
    sums, count = user_sums(torch.tensor([[1.0], [2.0], [5.0]]), torch.tensor([0, 0, 1]))
    assert sums.tolist() == [[3.0], [5.0]] and count.tolist() == [2.0, 1.0]


def test_standard_error_of_independent_rows(generator):
    values = torch.randn(5000, 2, generator=generator, dtype=torch.float64)
    found = standard_errors(values, torch.arange(5000))
    assert torch.allclose(found, values.std(0) / 5000**0.5, rtol=1e-3)


def test_rows_of_one_user_count_as_one(generator):
    values = torch.randn(1000, 1, generator=generator, dtype=torch.float64)
    repeated = values.repeat_interleave(4, 0)
    position = torch.arange(1000).repeat_interleave(4)
    one = standard_errors(values, torch.arange(1000))
    assert torch.allclose(standard_errors(repeated, position), one)


def test_draws_agree_with_the_standard_error(generator):
    position = torch.arange(800).repeat_interleave(3)
    values = torch.randn(800, 1, generator=generator, dtype=torch.float64)[position]
    values = values + 0.5 * torch.randn(2400, 1, generator=generator, dtype=torch.float64)
    means = bootstrap_means(values, position, 2000, generator)
    assert means.shape == (2001, 1)
    assert float(means[0]) == pytest.approx(float(values.mean()))
    se = float(standard_errors(values, position)[0])
    assert float(means[1:].std()) == pytest.approx(se, rel=0.08)
    low, high = interval(means[1:, 0])
    assert (high - low) / 2 == pytest.approx(1.96 * se, rel=0.1)


def test_interval_of_known_draws():
    assert interval(torch.linspace(0, 1, 1001).double()) == pytest.approx((0.025, 0.975))
