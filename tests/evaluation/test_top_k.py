import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from mrdib_graph.errors import ConfigError, TrainingError
from mrdib_graph.evaluation import top_k
from mrdib_graph.evaluation.top_k import check_k


def slow(scores: Tensor, k: int) -> list[list[int]]:
    return [sorted(range(len(row)), key=lambda i: (-row[i], i))[:k] for row in scores.tolist()]


@given(st.integers(0, 10_000), st.integers(1, 17), st.integers(1, 6))
def test_equals_a_stable_sort(seed: int, k: int, levels: int) -> None:
    """Few distinct scores: ties inside the result, at its boundary, and everywhere."""
    generator = torch.Generator().manual_seed(seed)
    scores = torch.randint(0, levels, (6, 17), generator=generator).float()
    scores[0, ::2] = -torch.inf
    values, items = top_k(scores, k)
    assert items.tolist() == slow(scores, k)
    assert torch.equal(values, scores.gather(1, items))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_types(dtype: torch.dtype) -> None:
    scores = torch.randn(10, 200, generator=torch.Generator().manual_seed(0)).to(dtype)
    values, items = top_k(scores, 50)
    assert items.tolist() == slow(scores, 50)
    assert values.dtype == dtype


def test_zeros_of_both_signs_are_equal() -> None:
    assert top_k(torch.tensor([[0.0, -0.0, 0.0, -0.0]]), 3)[1].tolist() == [[0, 1, 2]]


def test_the_scores_are_not_changed() -> None:
    scores = torch.zeros(3, 9)
    top_k(scores, 4)
    assert torch.equal(scores, torch.zeros(3, 9))


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_refuses_nan_and_infinity(bad: float) -> None:
    scores = torch.zeros(4, 100)
    scores[2, 63] = bad
    with pytest.raises(TrainingError, match="NaN or plus infinity"):
        top_k(scores, 5)


@given(st.integers(-(10**20), 10**20), st.integers(1, 50))
def test_k_is_from_one_to_the_number_of_items(k: int, num_items: int) -> None:
    if 1 <= k <= num_items:
        assert check_k(k, num_items) == k
    else:
        with pytest.raises(ConfigError, match=f"from 1 to {num_items},"):
            check_k(k, num_items)


@pytest.mark.parametrize("k", [True, 2.0, "3", None, math.nan, [1]])
def test_k_must_be_a_whole_number(k: object) -> None:
    with pytest.raises(ConfigError, match="expected a whole number"):
        check_k(k, 10)
