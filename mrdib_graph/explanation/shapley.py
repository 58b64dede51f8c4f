"""Shapley values of any game over named players, for many games at once."""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from mrdib_graph.errors import ConfigError
from mrdib_graph.options import Count, checked

EXACT_PLAYERS = 7
"""So many players are computed exactly, 128 coalitions at most; more are sampled."""

Value = Callable[[frozenset[str]], Tensor]


@checked
def shapley(
    value: Value,
    players: Sequence[str],
    permutations: Count | None = None,
    generator: torch.Generator | None = None,
) -> dict[str, Tensor]:
    r"""Each player's Shapley value in P games at once (Shapley, 1953).

    .. math::
        \phi_j = \sum_{S \subseteq N \setminus \{j\}} \frac{|S|!\,(|N| - |S| - 1)!}{|N|!}
            \big(v(S \cup \{j\}) - v(S)\big)

    the mean, over all orders in which the players can join, of what j changes by joining.  It is
    the only rule whose values add up to :math:`v(N) - v(\emptyset)`, are 0 for a player that never
    changes anything, are equal for players that always change the same, and add up when games do.

    With ``permutations`` the mean is over orders drawn at random.  Sum and zeros then hold exactly
    still; equal players are equal only in the long run.

    Args:
        value: From the players that take part to v [P]; called once for each coalition.
        players: Names, each once.
        permutations: Number of orders to draw; None for all of them, with up to 7 players.
        generator: Of the draws.

    Returns:
        Player to value [P], float64.

    Raises:
        ConfigError: A name comes twice, there are more than 7 players and no ``permutations``, or
            these are below 1 or lack their generator.
    """
    if len(set(players)) < len(players):
        raise ConfigError(f"players: a name comes twice in {', '.join(players)}")

    @functools.cache
    def v(coalition: frozenset[str]) -> Tensor:
        return value(coalition).double()

    if permutations is not None:
        return _sampled(v, players, permutations, generator)
    if len(players) > EXACT_PLAYERS:
        raise ConfigError(
            f"players: {len(players)} need {2 ** len(players)} coalitions, and all are computed "
            f"for up to {EXACT_PLAYERS} only; give permutations, for example 50, to sample them"
        )
    return {player: _exact(v, players, player) for player in players}


def _exact(v: Value, players: Sequence[str], player: str) -> Tensor:
    others = [name for name in players if name != player]
    total = torch.zeros_like(v(frozenset()))
    for size in range(len(players)):
        weight = 1 / (len(players) * math.comb(len(others), size))
        for joined in itertools.combinations(others, size):
            total += weight * (v(frozenset((*joined, player))) - v(frozenset(joined)))
    return total


def _sampled(
    v: Value, players: Sequence[str], permutations: int, generator: torch.Generator | None
) -> dict[str, Tensor]:
    if generator is None:
        raise ConfigError("permutations: sampling needs a generator, give a torch.Generator")
    empty = v(frozenset())
    total = {player: torch.zeros_like(empty) for player in players}
    for _ in range(permutations):
        joined: frozenset[str] = frozenset()
        for place in torch.randperm(len(players), generator=generator).tolist():
            larger = joined | {players[place]}
            total[players[place]] += v(larger) - v(joined)
            joined = larger
    return {player: summed / permutations for player, summed in total.items()}
