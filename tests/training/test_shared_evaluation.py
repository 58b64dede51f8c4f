import pytest
import torch

from mrdib_graph import distributed
from mrdib_graph.evaluation import Evaluator
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
