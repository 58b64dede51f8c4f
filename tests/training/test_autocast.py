"""Training whose dense products are rounded to bfloat16."""

import pytest
import torch

from mrdib_graph import backbones, estimators, resolver
from mrdib_graph.backbones import VBPR, Backbone
from mrdib_graph.estimators import MIEstimator
from mrdib_graph.mrdib import MRdIB
from mrdib_graph.nn import edge_dot, edge_softmax, knn
from mrdib_graph.recommender import Recommender
from mrdib_graph.sparse import SparseMatrix, in_float32, spmm_values
from mrdib_graph.testing.backbone_run import BackboneRun
from mrdib_graph.testing.tiny_data import tiny_data
from mrdib_graph.training import Trainer, training_step

BACKBONES = sorted(resolver.choices(backbones, Backbone).items())
TOLERANCE = 0.01
"""Of the loss, relative: bfloat16 has 8 bits, 0.4 %."""

DRAWS = {"bm3": 0.05, "lgmrec": 0.05}
"""Where dropout or noise is drawn in the type of the rows, so that the draws are others."""


def first_step(run, autocast):
    """Loss and gradients of the first step of an epoch."""
    run.begin_epoch()
    with run._own_default_noise():
        terms = training_step(
            run.recommender, run.data, run.batches[0], run.optimizer, run.noise, autocast=autocast
        )
    grads = {n: p.grad for n, p in run.recommender.named_parameters() if p.grad is not None}
    return terms, grads


@pytest.mark.parametrize(("name", "cls"), BACKBONES, ids=[name for name, _ in BACKBONES])
def test_every_backbone_trains(name, cls):
    data = tiny_data()
    (whole, of_whole), (half, of_half) = (
        first_step(BackboneRun(cls, data, {}), autocast) for autocast in ("none", "bfloat16")
    )
    assert half.keys() == whole.keys() and of_half.keys() == of_whole.keys()
    tolerance = DRAWS.get(name, TOLERANCE)
    assert half["loss"].item() == pytest.approx(whole["loss"].item(), rel=tolerance)
    assert all(term.dtype == torch.float32 for term in half.values())
    assert all(bool(grad.isfinite().all()) for grad in of_half.values())
    if name not in DRAWS:
        mine, theirs = (torch.cat([g.flatten() for g in x.values()]) for x in (of_half, of_whole))
        assert torch.cosine_similarity(mine, theirs, dim=0) > 0.999


@pytest.mark.parametrize("estimator", sorted(resolver.choices(estimators, MIEstimator)))
def test_every_estimator_trains(estimator):
    runs = [BackboneRun(VBPR, tiny_data(), {}) for _ in range(2)]
    for run in runs:
        torch.manual_seed(0)
        mrdib = MRdIB(run.backbone.modalities, 8, estimator=estimator, alpha_redundancy=0.1)
        run.recommender = Recommender(run.backbone, mrdib).train()
        run.optimizer = torch.optim.Adam(run.recommender.parameters(), lr=0.01)
    (whole, _), (half, grads) = (
        first_step(run, autocast) for run, autocast in zip(runs, ("none", "bfloat16"), strict=True)
    )
    for term, value in whole.items():
        assert half[term].item() == pytest.approx(value.item(), rel=0.03, abs=0.01), term
    assert all(bool(grad.isfinite().all()) for grad in grads.values())


def test_rounding_is_for_the_loss_alone(tiny, make_recommender):
    options = {"epochs": 3, "batch_size": 32, "monitor": "recall@5", "device": "cpu"}
    options |= {"learning_rate": 0.02, "quiet": True}
    whole, half = make_recommender(tiny, "lattice"), make_recommender(tiny, "lattice")
    expected = Trainer(**options).fit(whole, tiny)
    result = Trainer(**options, autocast="bfloat16").fit(half, tiny)
    ours, theirs = ([m["train/loss"] for m in r.history] for r in (result, expected))
    assert ours != theirs and ours == pytest.approx(theirs, rel=0.02)
    assert all(p.dtype == torch.float32 for p in half.parameters())
    assert all(table.dtype == torch.float32 for table in half.tables(tiny))
    whole.load_state_dict(half.state_dict())
    assert all(map(torch.equal, half.tables(tiny), whole.tables(tiny)))


def sparse_functions():
    row, col = torch.tensor([0, 0, 1, 2, 3]), torch.tensor([1, 3, 0, 2, 1])
    matrix = SparseMatrix.from_edges(row, col, torch.rand(5), (4, 4))
    return {
        "product": lambda x: matrix @ x,
        "product by values": lambda x: spmm_values(matrix, matrix.value, x),
        "edge dot": lambda x: edge_dot(matrix, x, x),
        "edge softmax": lambda x: edge_softmax(matrix, x[:, 0].repeat(2)[:5]),
        "neighbours": lambda x: knn(x, k=2)[1],
    }


@pytest.mark.parametrize("name", list(sparse_functions()))
def test_sparse_functions_stay_in_float32(name):
    torch.manual_seed(0)
    function = sparse_functions()[name]
    x = torch.randn(4, 3).bfloat16().float()  # nothing is lost where it is halved
    found = []
    for rows, autocast in ((x, False), (x, True), (x.bfloat16(), True)):
        rows = rows.clone().requires_grad_()
        with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
            out = function(rows)
        assert out.dtype == torch.float32
        if out.requires_grad:
            out.square().sum().backward()
            assert rows.grad.dtype == rows.dtype
            assert torch.allclose(rows.grad.float(), found[0][1] if found else rows.grad, rtol=0.01)
        found.append((out.detach(), rows.grad))
    assert all(torch.equal(out, found[0][0]) for out, _ in found)


def test_outside_autocast_a_function_is_as_it_was():
    def seen(x, other=None):
        return x.dtype, other, torch.is_autocast_enabled("cpu")

    half = torch.zeros(2, dtype=torch.bfloat16)
    assert in_float32(seen)(half, other=half) == (torch.bfloat16, half, False)
    with torch.autocast("cpu", torch.bfloat16):
        dtype, other, enabled = in_float32(seen)(half, other=half)
        assert torch.is_autocast_enabled("cpu")
    assert (dtype, other.dtype, enabled) == (torch.float32, torch.float32, False)
