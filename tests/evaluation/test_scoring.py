import pytest
import torch

from mrdib_graph.errors import ConfigError, TrainingError
from mrdib_graph.evaluation import scoring


def tables() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(9, 4, generator=generator), torch.randn(7, 4, generator=generator)


def test_tables_give_inner_products() -> None:
    user, item = tables()
    score = scoring.from_tables(user.requires_grad_(), item, 9, 7)
    for ids in (torch.tensor([3, 1, 8]), torch.arange(9), torch.tensor([5])):
        expected = torch.einsum("uw,iw->ui", user[ids].detach(), item)
        torch.testing.assert_close(score(ids), expected)


def test_a_function_is_copied() -> None:
    count = torch.arange(7)
    scores = scoring.from_function(lambda ids: count.expand(ids.numel(), -1), 7)(torch.arange(3))
    scores.fill_(-torch.inf)
    assert torch.equal(count, torch.arange(7))


def test_blocks_hold_every_user_once_in_order() -> None:
    users = torch.tensor([4, 2, 9, 7, 1])
    blocks = list(scoring.blocks(users, 2, 10))
    assert [b.tolist() for b in blocks] == [[4, 2], [9, 7], [1]]
    assert [b.numel() for b in scoring.blocks(torch.arange(300), 2048, 10**6)] == [128, 128, 44]
    assert list(scoring.blocks(users[:0], 2, 10)) == []


@pytest.mark.parametrize(("users", "items"), [((9, 4), (6, 4)), ((8, 4), (7, 4)), ((9, 3), (7, 4))])
def test_refuses_wrong_shapes(users: tuple[int, int], items: tuple[int, int]) -> None:
    with pytest.raises(ConfigError, match="_table: got shape"):
        scoring.from_tables(torch.zeros(users), torch.zeros(items), 9, 7)
    with pytest.raises(ConfigError, match="score_fn: got scores of shape"):
        scoring.from_function(lambda _: torch.zeros(users), 7)(torch.arange(9))


@pytest.mark.parametrize("side", ["user", "item"])
@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_refuses_tables_that_are_not_finite(side: str, bad: float) -> None:
    user, item = tables()
    {"user": user, "item": item}[side][2, 1] = bad
    with pytest.raises(TrainingError, match=f"the {side} table is not finite"):
        scoring.from_tables(user, item, 9, 7)
