import copy

import pytest
import torch

from mrdib_graph.errors import TrainingError
from mrdib_graph.loader import TripletLoader
from mrdib_graph.training import training_step


def ready(recommender, data):
    """Graph, first batch and optimizer of a recommender that is about to begin its first epoch."""
    data = recommender.backbone.prepare(data)
    batch = next(iter(TripletLoader(data, 32, generator=torch.Generator().manual_seed(0))))
    recommender.train().prepare_epoch(data, 0, torch.Generator().manual_seed(1))
    return data, batch, torch.optim.Adam(recommender.parameters(), lr=0.01)


def test_a_step_is_loss_gradient_and_update(tiny, make_recommender):
    recommender = make_recommender(tiny, "vbpr", "mine")
    plain = copy.deepcopy(recommender)
    data, batch, optimizer = ready(recommender, tiny)
    terms = training_step(recommender, data, batch, optimizer, torch.Generator().manual_seed(2))
    data, batch, optimizer = ready(plain, tiny)
    expected = plain.loss(data, batch, torch.Generator().manual_seed(2))
    total = plain.total(expected)
    total.backward()
    optimizer.step()
    assert list(terms) == ["loss", *expected]
    assert terms["loss"] == total and not terms["loss"].requires_grad
    assert all(terms[name] == value for name, value in expected.items())
    pairs = zip(recommender.parameters(), plain.parameters(), strict=True)
    assert all(torch.equal(ours, theirs) for ours, theirs in pairs)


def test_gradients_are_set_to_none_or_to_zeros(tiny, make_recommender):
    recommender = make_recommender(tiny, "lattice")
    data, batch, optimizer = ready(recommender, tiny)
    weight = recommender.backbone.project["image"].linear.weight
    training_step(recommender, data, batch, optimizer)
    assert weight.grad.any()  # in the first step of an epoch only
    training_step(recommender, data, batch, optimizer, zero_grad="zeros")
    assert not weight.grad.any()
    training_step(recommender, data, batch, optimizer)
    assert weight.grad is None


def test_a_total_that_overflows_is_named_and_nothing_changes(tiny, make_recommender):
    recommender = make_recommender(tiny)
    recommender.reg_fused = 3e38
    torch.nn.init.constant_(recommender.backbone.item.weight, 100.0)
    data, batch, optimizer = ready(recommender, tiny)
    with pytest.raises(TrainingError, match=r"not finite at this step: term total \(ranking 0\."):
        training_step(recommender, data, batch, optimizer)
    assert (recommender.backbone.item.weight == 100).all() and not optimizer.state


def gradients(recommender):
    return {n: p.grad.clone() for n, p in recommender.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("share", [0.1, 3.0])
def test_the_gradient_of_all_parameters_is_clipped_together(tiny, make_recommender, share):
    """Against the formula, g min(1, c / |g|), and against torch on a copy."""
    plain, ours = make_recommender(tiny, "vbpr", "mine"), make_recommender(tiny, "vbpr", "mine")
    data, batch, optimizer = ready(plain, tiny)
    whole = training_step(plain, data, batch, optimizer, torch.Generator().manual_seed(2))
    expected = gradients(plain)
    norm = torch.cat([g.flatten() for g in expected.values()]).double().norm().item()
    limit = share * norm

    data, batch, optimizer = ready(ours, tiny)
    noise = torch.Generator().manual_seed(2)
    terms = training_step(ours, data, batch, optimizer, noise, clip_norm=limit)
    assert "gradient_norm" not in whole and terms["loss"] == whole["loss"]
    assert terms["gradient_norm"].item() == pytest.approx(norm, rel=1e-5)
    for name, grad in gradients(ours).items():
        by_hand = expected[name] * min(1.0, limit / norm)
        torch.testing.assert_close(grad, by_hand, rtol=1e-4, atol=1e-9)
    torch.nn.utils.clip_grad_norm_(plain.parameters(), limit)
    assert all(torch.equal(g, gradients(plain)[name]) for name, g in gradients(ours).items())
