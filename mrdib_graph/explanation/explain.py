"""From a trained recommender to the contributions to its scores."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from mrdib_graph import graph
from mrdib_graph.errors import ConfigError
from mrdib_graph.eval_mode import eval_mode
from mrdib_graph.evaluation.top_k import check_k
from mrdib_graph.explanation.ranks import ranks
from mrdib_graph.explanation.result import COLLABORATIVE, Explanation
from mrdib_graph.explanation.shapley import shapley
from mrdib_graph.graph import check_rows
from mrdib_graph.recommender import Recommender
from mrdib_graph.row_names import modality_of, rows_of
from mrdib_graph.serving.recommend import SCORES_PER_BLOCK, History, rank_rows

Players = Mapping[str, Sequence[str]]


@torch.no_grad()
def players_of(recommender: Recommender, data: HeteroData) -> dict[str, tuple[str, ...]]:
    """The players of an explanation, each with the names of the item rows that it holds.

    Every modality is one; ``'collaborative'`` holds the rest: ``'id'``, and what else the
    backbone makes.  Where all item rows are of modalities there is no collaborative player: what
    was learned from interactions then stands in the modalities' rows.
    """
    backbone = recommender.backbone
    with eval_mode(backbone):
        names = list(backbone.encode(backbone.prepare(data))[graph.ITEM])
    of_modality = {m: tuple(rows_of(names, m)) for m in recommender.modalities}
    own = tuple(name for name in names if modality_of(name) not in of_modality)
    players = {COLLABORATIVE: own} if own else {}
    return players | of_modality


def explain(
    recommender: Recommender,
    data: HeteroData,
    users: Tensor | Sequence[int],
    items: Tensor | Sequence[int],
    *,
    players: Players | None = None,
    permutations: int | None = None,
    generator: torch.Generator | None = None,
) -> list[Explanation]:
    r"""Why user ``users[j]`` gives item ``items[j]`` its score, for any number of pairs.

    The contributions are Shapley values of the game :math:`v(S) = \langle p_u, q_i^S \rangle`:
    :math:`q^S` is the fused item table where the item rows of every player outside S are replaced
    by their mean over items.  They add up to the score less the base :math:`v(\emptyset)`, for
    any backbone.  Where the score is a sum of one term for each player, as in VBPR, a contribution
    is that term less its mean over items.  A player whose rows the score does not read gets 0.

    The rule is Shapley's (1953), its use on predictions that of `"A Unified Approach to
    Interpreting Model Predictions" <https://arxiv.org/abs/1705.07874>`_ (Lundberg and Lee, NeurIPS
    2017), with one mean row in place of draws.

    Args:
        recommender: Trained; used in eval mode and left as it was.
        data: The graph that it was trained on.
        users: Rows of the users [P].
        items: Rows of the items [P].
        players: Player to the names of its item rows; :func:`players_of` for None.  Each name
            belongs to one player.
        permutations: Orders to draw where more than 7 players forbid all, see
            :func:`~mrdib_graph.explanation.shapley`.
        generator: Of the draws.

    Returns:
        One explanation for each pair, in their order.  The cost is one ``tables`` for each
        coalition, 2^(players), whatever the number of pairs.

    Raises:
        ConfigError: A row number is out of range, users and items differ in number, or the players
            do not part the item rows.
    """
    data = recommender.backbone.prepare(data)
    full = recommender.tables(data)
    pairs = (_rows(users, full[0].size(0), "users"), _rows(items, full[1].size(0), "items"))
    if pairs[0].numel() != pairs[1].numel():
        raise ConfigError(f"got {pairs[0].numel()} users and {pairs[1].numel()} items: give pairs")
    named = _check_players(players, players_of(recommender, data))

    @functools.cache
    def value(coalition: frozenset[str]) -> Tensor:
        kept = [name for player in coalition for name in named[player]]
        complete = len(coalition) == len(named)
        user, item = full if complete else recommender.tables(data, kept)
        u, i = (x.to(user.device) for x in pairs)
        return (user[u].double() * item[i].double()).sum(1).cpu()

    contributions = shapley(value, list(named), permutations, generator)
    base, score = value(frozenset()), value(frozenset(named))
    place, num_unseen, seen = ranks(full[0].cpu(), full[1].cpu(), *pairs, _history(data))
    masks = {m: mask.cpu() for m, mask in graph.item_masks(data, recommender.modalities).items()}
    explanations = []
    for j, (user, item) in enumerate(zip(*(x.tolist() for x in pairs), strict=True)):
        lacking = {m for m, mask in masks.items() if not mask[item]}
        explanations.append(
            Explanation(
                user=user,
                item=item,
                score=float(score[j]),
                base=float(base[j]),
                contributions={name: float(x[j]) for name, x in contributions.items()},
                rank=int(place[j]),
                num_unseen=int(num_unseen[j]),
                seen=bool(seen[j]),
                missing=tuple(p for p, names in named.items() if lacking & set(names)),
            )
        )
    return explanations


def explain_best(
    recommender: Recommender,
    data: HeteroData,
    users: Tensor | Sequence[int],
    k: int = 10,
    *,
    players: Players | None = None,
    permutations: int | None = None,
    generator: torch.Generator | None = None,
) -> list[Explanation]:
    """:func:`explain` for the best k items that each user does not have in training.

    Returns:
        User by user, best item first; fewer than k where fewer items are left.

    Raises:
        ConfigError: As :func:`explain`, or k is out of range.
    """
    data = recommender.backbone.prepare(data)
    user_table, item_table = (table.cpu() for table in recommender.tables(data))
    rows = _rows(users, user_table.size(0), "users")
    k, history = check_k(k, item_table.size(0)), _history(data)
    best: list[tuple[int, int]] = []
    for block in torch.split(rows, max(1, SCORES_PER_BLOCK // item_table.size(0))):
        scores, items = rank_rows(user_table[block], item_table, k, history.positions(block))
        listed = scores != -torch.inf
        best += zip(
            block.unsqueeze(1).expand_as(items)[listed].tolist(),
            items[listed].tolist(),
            strict=True,
        )
    return explain(
        recommender,
        data,
        [user for user, _ in best],
        [item for _, item in best],
        players=players,
        permutations=permutations,
        generator=generator,
    )


def _history(data: HeteroData) -> History:
    train = graph.interactions(data, "train").cpu()
    return History.from_edges(train, graph.num_users(data), graph.num_items(data))


def _rows(rows: Tensor | Sequence[int], size: int, what: str) -> Tensor:
    numbers = torch.as_tensor(rows, device="cpu")
    if not numbers.numel():
        return torch.empty(0, dtype=torch.int64)
    check_rows(what, numbers, size)
    return numbers


def _check_players(players: Players | None, default: Players) -> Players:
    """The players, after checking that each item row belongs to exactly one."""
    if players is None:
        return default
    known = sorted(name for names in default.values() for name in names)
    given = sorted(name for names in players.values() for name in names)
    if given != known:
        raise ConfigError(
            f"players: they hold the rows {', '.join(given) or 'none'}, expected each of "
            f"{', '.join(known)} once"
        )
    return players
