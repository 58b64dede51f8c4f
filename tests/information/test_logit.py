import numpy as np
import pytest
import torch
from scipy.optimize import minimize

from mrdib_graph.information.logit import fit_logit


def problem(seed=0, n=600, c=4, p=3):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(n, c, p, generator=generator, dtype=torch.float64) - 0.3
    return x, torch.tensor([0.0, 2.0, 5.0]).double(), torch.arange(n) // (n // 5)


def by_scipy(x, penalty, weight=None):
    x, lam = x.numpy(), penalty.numpy() + 1e-3
    w = np.ones(len(x)) if weight is None else weight.numpy()

    def loss(theta):
        total = 0.5 * float(lam @ theta**2)
        for row, row_weight in zip(x, w, strict=True):
            total += row_weight * np.log(1 + np.exp(row @ theta).sum())
        return total

    return minimize(loss, np.zeros(x.shape[2]), method="BFGS").x


def test_fit_on_all_rows():
    x, penalty, _ = problem(n=100)
    fit = fit_logit(x, penalty, None)
    assert fit.full.numpy() == pytest.approx(by_scipy(x, penalty), abs=1e-5)
    assert torch.equal(fit.folds, fit.full.unsqueeze(0))


def test_a_folds_fit_has_not_seen_its_rows():
    x, penalty, fold = problem()
    fit = fit_logit(x, penalty, fold)
    for f in range(5):
        alone = fit_logit(x[fold != f], penalty, None).full
        assert torch.allclose(fit.folds[f], alone, atol=1e-6)
    changed = x.clone()
    changed[fold == 2] = changed[fold == 2].flip(0) * 1.5
    moved = fit_logit(changed, penalty, fold).folds
    assert torch.allclose(moved[2], fit.folds[2], atol=1e-6)
    assert not torch.allclose(moved[1], fit.folds[1], atol=1e-3)


def test_a_fold_far_from_the_rest():
    x, penalty, fold = problem()
    x[fold == 0] *= 30
    fit = fit_logit(x, penalty, fold)
    alone = fit_logit(x[fold != 0], penalty, None).full
    assert torch.allclose(fit.folds[0], alone, atol=1e-5)


def test_row_weights_count_as_repetition():
    x, penalty, _ = problem()
    weight = torch.ones(600)
    weight[:100] = 2
    weighted = fit_logit(x, penalty, None, weight).full
    assert torch.allclose(weighted, fit_logit(torch.cat([x, x[:100]]), penalty, None).full)


def test_equal_free_columns_share():
    x, _, _ = problem()
    twice = torch.cat([x[..., :1], x[..., :1]], 2)
    full = fit_logit(twice, torch.zeros(2).double(), None).full
    once = fit_logit(x[..., :1], torch.zeros(1).double(), None).full
    assert full[0] == pytest.approx(float(full[1]), abs=1e-9)
    assert float(full.sum()) == pytest.approx(float(once[0]), abs=1e-4)
