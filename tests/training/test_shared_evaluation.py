import pytest
import torch

from mrdib_graph import distributed
from mrdib_graph.evaluation import Evaluator, EvaluatorConfig
from mrdib_graph.training.shared_evaluation import evaluate


@pytest.fixture
def tables():
    generator = torch.Generator().manual_seed(1)
    return torch.randn(30, 4, generator=generator), torch.randn(40, 4, generator=generator)


def test_one_process_evaluates_all_users(tiny, tables):
    evaluator = Evaluator(tiny)
    found, expected = evaluate(evaluator, tables, "val"), evaluator(*tables, "val")
    assert found.mean == expected.mean and torch.equal(found.ranks, expected.ranks)


@pytest.mark.parametrize("processes", [2, 3, 50])  # 50: more processes than users
def test_shares_of_the_users_add_up(tiny, tables, monkeypatch, processes):
    evaluator = Evaluator(tiny)
    expected = evaluator(*tables, "test")
    whole = {2: expected.positives, 1: expected.ranks}
    shares = {2: [], 1: []}  # by the number of dimensions

    def concatenate(mine):
        shares[mine.dim()].append(mine)
        return whole[mine.dim()]

    monkeypatch.setattr(distributed, "size", lambda: processes)
    monkeypatch.setattr(distributed, "concatenate", concatenate)
    for rank in range(processes):
        monkeypatch.setattr(distributed, "rank", lambda rank=rank: rank)
        found = evaluate(evaluator, tables, "test")
        assert found.mean == expected.mean
        assert torch.equal(found.users, evaluator.users("test"))
    for dim, parts in shares.items():
        assert len(parts) == processes
        assert torch.equal(torch.cat(parts, -1), whole[dim])


@pytest.mark.parametrize("processes", [2, 3])
def test_lists_and_scores_of_the_shares_add_up(tiny, tables, monkeypatch, processes):
    metrics = ("recall", "auc", "novelty", "diversity", "coverage", "personalisation")
    evaluator = Evaluator(tiny, EvaluatorConfig((5, 10), metrics))
    expected = evaluator(*tables, "test")
    shares = []
    monkeypatch.setattr(distributed, "size", lambda: processes)
    monkeypatch.setattr(distributed, "concatenate", lambda mine: shares.append(mine) or mine)
    for rank in range(processes):  # what each process sends, in the order of the calls
        monkeypatch.setattr(distributed, "rank", lambda rank=rank: rank)
        evaluate(evaluator, tables, "test")
    calls = len(shares) // processes
    sent = iter([torch.cat(shares[call::calls], -1) for call in range(calls)])
    monkeypatch.setattr(distributed, "concatenate", lambda _: next(sent))
    found = evaluate(evaluator, tables, "test")
    assert found.values == expected.values
    for name, values in expected.per_user.items():
        assert torch.equal(found.per_user[name], values)
