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
