import itertools

import pytest
import torch
from torch_geometric.metrics import LinkPredCoverage, LinkPredPersonalization

from mrdib_graph.metrics import Coverage, Gini, Personalisation


@pytest.mark.parametrize("k", [1, 3, 6])
def test_agree_with_pyg(ranking_of, lists, k):
    ranking = ranking_of(lists, torch.ones(20))
    for metric, pyg in (
        (Coverage, LinkPredCoverage(k, 20)),
        (Personalisation, LinkPredPersonalization(k, max_src_nodes=None)),
    ):
        pyg.update(lists, torch.zeros(2, 0, dtype=torch.int64))
        value = metric(k)(ranking)
        assert value.shape == () and value.dtype == torch.float64
        assert value.item() == pytest.approx(pyg.compute().item(), abs=1e-6)


@pytest.mark.parametrize("k", [1, 3, 6, 9])
def test_equal_slow_loops_on_lists_that_end_early(ranking_of, with_gaps, k):
    ranking = ranking_of(with_gaps, torch.ones(15))
    sets = [{i for i in row[:k] if i >= 0} for row in with_gaps.tolist()]
    counts = [sum(i in s for s in sets) for i in range(15)]
    overlaps = [len(a & b) / min(k, 6) for a, b in itertools.combinations(sets, 2)]
    apart = [abs(a - b) for a in counts for b in counts]
    mean_gap = sum(apart) / len(apart) / (2 * sum(counts) / 15)  # Gini as a mean difference
    assert Coverage(k)(ranking).item() == pytest.approx(sum(c > 0 for c in counts) / 15)
    assert Gini(k)(ranking).item() == pytest.approx(mean_gap)
    assert Personalisation(k)(ranking).item() == pytest.approx(1 - sum(overlaps) / len(overlaps))


def test_the_ends_of_the_ranges(ranking_of):
    one_item = ranking_of(torch.tensor([[2], [2], [2], [2]]), torch.ones(4))
    all_items = ranking_of(torch.tensor([[0], [1], [2], [3]]), torch.ones(4))
    assert [m(1)(one_item).item() for m in (Coverage, Gini, Personalisation)] == [0.25, 0.75, 0.0]
    assert [m(1)(all_items).item() for m in (Coverage, Gini, Personalisation)] == [1.0, 0.0, 1.0]
    nothing = ranking_of(torch.tensor([[-1], [-1]]), torch.ones(4))
    assert [m(1)(nothing).item() for m in (Coverage, Gini, Personalisation)] == [0.0, 0.0, 1.0]
    alone = ranking_of(torch.tensor([[0, 1]]), torch.ones(4))
    assert Personalisation(2)(alone).item() == 0.0


def test_gini_counts_candidates_alone(ranking_of):
    """Items 2 and 3 are no candidates: 0 and 1 are recommended equally often."""
    ranking = ranking_of(torch.tensor([[0], [1]]), torch.ones(4))
    ranking.num_candidates = 2
    assert Gini(1)(ranking).item() == 0.0 and Coverage(1)(ranking).item() == 1.0
