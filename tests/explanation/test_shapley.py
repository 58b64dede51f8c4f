"""Shapley values against the mean over all orders, games with known values, and the four rules."""

import itertools
import math

import pytest
import torch
from torch import Tensor

from mrdib_graph.errors import ConfigError
from mrdib_graph.explanation import shapley

NAMES = ["a", "b", "c", "d"]


def random_game(names, seed: int = 0, games: int = 3):
    """A value for every coalition, drawn."""
    generator = torch.Generator().manual_seed(seed)
    table = {
        frozenset(joined): torch.randn(games, generator=generator, dtype=torch.float64)
        for size in range(len(names) + 1)
        for joined in itertools.combinations(names, size)
    }
    return table.__getitem__


def by_orders(value, names) -> dict[str, Tensor]:
    """The definition: what each player changes by joining, averaged over every order."""
    total = {name: torch.zeros_like(value(frozenset())) for name in names}
    for order in itertools.permutations(names):
        for place, name in enumerate(order):
            before = frozenset(order[:place])
            total[name] = total[name] + value(before | {name}) - value(before)
    return {name: x / math.factorial(len(names)) for name, x in total.items()}


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5])
def test_the_mean_over_all_orders(size: int) -> None:
    names = [*NAMES, "e"][:size]
    value = random_game(names, seed=size)
    found = shapley(value, names)
    assert list(found) == names
    for name, expected in by_orders(value, names).items():
        torch.testing.assert_close(found[name], expected, rtol=0, atol=1e-12)


def test_the_glove_game() -> None:
    """One left glove, two right ones; a pair is worth 1: the left one earns 2/3."""

    def value(joined: frozenset[str]) -> Tensor:
        return torch.tensor([float("left" in joined and len(joined) > 1)])

    found = shapley(value, ["left", "right", "other"])
    assert {name: round(float(x), 12) for name, x in found.items()} == {
        "left": round(2 / 3, 12),
        "right": round(1 / 6, 12),
        "other": round(1 / 6, 12),
    }


@pytest.mark.parametrize("permutations", [None, 1, 7])
def test_they_add_up_and_a_dummy_gets_nothing(permutations: int | None) -> None:
    inner = random_game(NAMES)

    def value(joined: frozenset[str]) -> Tensor:
        return inner(joined - {"dummy"})

    generator = torch.Generator().manual_seed(1)
    found = shapley(value, [*NAMES, "dummy"], permutations, generator)
    total = sum(found.values())
    expected = inner(frozenset(NAMES)) - inner(frozenset())
    torch.testing.assert_close(total, expected, rtol=0, atol=1e-12)
    assert not found["dummy"].any()


def test_equal_players_get_the_same() -> None:
    inner = random_game(["a", "one", "two"])

    def value(joined: frozenset[str]) -> Tensor:
        """Players b and c count, which of the two does not."""
        count = len(joined & {"b", "c"})
        return inner(joined & {"a"} | {"one", "two"} if count == 2 else joined & {"a"}) + count

    found = shapley(value, ["a", "b", "c"])
    torch.testing.assert_close(found["b"], found["c"], rtol=0, atol=1e-12)
    assert not torch.allclose(found["a"], found["b"])


def test_games_add_up() -> None:
    one, two = random_game(NAMES, 1), random_game(NAMES, 2)
    both = shapley(lambda joined: one(joined) + 3 * two(joined), NAMES)
    parts = [shapley(game, NAMES) for game in (one, two)]
    for name in NAMES:
        torch.testing.assert_close(both[name], parts[0][name] + 3 * parts[1][name])


@pytest.mark.parametrize("permutations", [None, 5])
def test_each_coalition_is_asked_for_once(permutations: int | None) -> None:
    asked: list[frozenset[str]] = []
    game = random_game(NAMES)

    def value(joined: frozenset[str]) -> Tensor:
        asked.append(joined)
        return game(joined)

    shapley(value, NAMES, permutations, torch.Generator().manual_seed(0))
    assert len(asked) == len(set(asked))
    assert len(asked) == 16 if permutations is None else len(asked) < 16


def test_sampled_orders_follow_their_seed_and_come_near_the_mean() -> None:
    value = random_game(NAMES)
    draws = [shapley(value, NAMES, 20, torch.Generator().manual_seed(s)) for s in (0, 0, 1)]
    assert all(torch.equal(draws[0][name], draws[1][name]) for name in NAMES)
    assert any(not torch.equal(draws[0][name], draws[2][name]) for name in NAMES)
    many = shapley(value, NAMES, 4000, torch.Generator().manual_seed(2))
    for name, expected in by_orders(value, NAMES).items():
        torch.testing.assert_close(many[name], expected, rtol=0, atol=0.1)


def test_many_players_need_sampling() -> None:
    names = [f"p{n}" for n in range(8)]

    def value(joined: frozenset[str]) -> Tensor:
        return torch.tensor([float(len(joined))])

    with pytest.raises(ConfigError, match="8 need 256 coalitions.*give permutations"):
        shapley(value, names)
    found = shapley(value, names, 2, torch.Generator().manual_seed(0))
    assert [float(x) for x in found.values()] == [1.0] * 8
    assert [float(x) for x in shapley(value, names[:7]).values()] == pytest.approx([1.0] * 7)


@pytest.mark.parametrize(
    ("names", "options", "message"),
    [
        (["a", "a"], {}, "a name comes twice"),
        (["a"], {"permutations": 0}, "got 0, expected a whole number, 1 or more"),
        (["a"], {"permutations": 3}, "needs a generator"),
    ],
)
def test_wrong_arguments(names, options, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        shapley(lambda _: torch.zeros(1), names, **options)


def test_no_player_at_all() -> None:
    assert shapley(lambda _: torch.zeros(1), []) == {}
