"""Split interactions into training, validation and test by a named rule."""

from __future__ import annotations

import hashlib
import logging
import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch_geometric.data import HeteroData
from torch_geometric.transforms import BaseTransform

from mrdib_graph import graph
from mrdib_graph.errors import ConfigError, DataError, suggest
from mrdib_graph.options import NonNegativeInt, checked
from mrdib_graph.sparse import place_in_group
from mrdib_graph.transforms.drop_derived import drop_operators
from mrdib_graph.transforms.global_splits import (
    TRAIN,
    check_reachable,
    cold_item_labels,
    time_labels,
)

logger = logging.getLogger(__name__)

SHARE = 0.2
"""Held out by the rules that take a share: half for validation, half for test."""


def random_rule(position: Tensor, n: Tensor) -> Tensor:
    """MMRec's rule: n < 10 holds out 1 + 1 rows; else int(n / 5), the smaller half validation."""
    held = torch.where(n < 10, 2, n // 5)
    return _tail(position, n, val=held // 2, test=held - held // 2)


def lattice_rule(position: Tensor, n: Tensor) -> Tensor:
    """LATTICE's rule: as :func:`random_rule`, with the smaller half test."""
    held = torch.where(n < 10, 2, n // 5)
    return _tail(position, n, val=held - held // 2, test=held // 2)


def ratio_rule(position: Tensor, n: Tensor) -> Tensor:
    """8 : 1 : 1 as the Last.fm-2K resource counts: int(0.8 n) train, int(0.1 n) validation."""
    return _tail(position, n, val=n // 10, test=n - 4 * n // 5 - n // 10)


def leave_last_out_rule(position: Tensor, n: Tensor) -> Tensor:
    """The latest row is test, the second latest validation."""
    return _tail(position, n, val=torch.ones_like(n), test=torch.ones_like(n))


Rule = Callable[[Tensor, Tensor], Tensor]
RULES: dict[str, Rule] = {  # each: position in the user's order [E], user's rows n [E] -> label [E]
    "random": random_rule,
    "lattice": lattice_rule,
    "ratio": ratio_rule,
    "leave_last_out": leave_last_out_rule,
    "user_time": ratio_rule,
}
GLOBAL = ("global_time", "cold_items")
BY_TIME = ("leave_last_out", "user_time", "global_time")
CHOICES = (*RULES, *GLOBAL, "given")


class SplitInteractions(BaseTransform):  # type: ignore[misc]
    """Writes ``train_mask``, ``val_mask`` and ``test_mask`` by a rule.

    These rules work user by user:

    ================== ==================== =======================================================
    rule               order of a user      held out of a user's n rows
    ================== ==================== =======================================================
    ``random``         fresh permutation    n < 10: 1 validation, 1 test; else k = int(0.2 n),
                                            k // 2 validation, the rest of k test (MMRec)
    ``lattice``        fresh permutation    the same k; k // 2 test, the rest of k validation
    ``ratio``          fresh permutation    all but int(0.8 n); int(0.1 n) validation, the rest test
    ``leave_last_out`` time, ties by item   the latest row test, the second latest validation
    ``user_time``      time, ties by item   as ``ratio``
    ================== ==================== =======================================================

    A user whom such a rule leaves no training row keeps all rows in training.  These look at all
    interactions at once:

    ================== ============================================================================
    rule               held out
    ================== ============================================================================
    ``global_time``    the latest ``share`` of all rows, the later half test; rows of one time stay
                       together; or what lies beyond two given points in time
    ``cold_items``     every row of a ``share`` of the items, which are drawn; half of these items
                       are validation, half test
    ``given``          keeps the masks that the graph has
    ================== ============================================================================

    After these, a user or an item may have held-out rows and no training row.  Rows of such users
    stay held out, are counted in a warning and left out by an evaluation; such items stay
    candidates and positives.

    ``cold_items`` alone holds out no row of any other item.  With ``warm_rule`` the rows that it
    leaves in training are split by that rule, user by user, so that one training run shows what
    cold items gain and what warm ones pay.

    A draw depends on seed, users and items only, not on the order of the edges.  Rule, seed and a
    hash of the result are recorded as ``data.split_rule``.  Derived sparse operators are dropped.

    Args:
        rule: One of the above.
        seed: Seed of the draw.
        share: Share that ``global_time`` and ``cold_items`` hold out, 0.2 by default.
        cuts: For ``global_time``, in place of a share: the times at which validation and test
            begin.
        warm_rule: For ``cold_items``: the rule of the other items' rows, one of the first table.

    Raises:
        ConfigError: The rule is unknown, the seed negative, or an option out of range or of
            another rule.
        DataError: ``given`` without masks, a rule by time without ``time``, or a part of a rule
            that looks at all interactions would be empty.
    """

    @checked
    def __init__(
        self,
        rule: str = "random",
        seed: NonNegativeInt = 0,
        share: float | None = None,
        cuts: Sequence[float] | None = None,
        warm_rule: str | None = None,
    ) -> None:
        if rule not in CHOICES:
            raise ConfigError(
                f"split: got {rule!r}, expected one of {', '.join(CHOICES)}"
                f"{suggest(str(rule), list(CHOICES))}"
            )
        _check_options(rule, share, cuts)
        if warm_rule is not None and (rule != "cold_items" or warm_rule not in RULES):
            raise ConfigError(
                f"split warm_rule: got {warm_rule!r}, expected one of {', '.join(RULES)}, and "
                f"the rule 'cold_items'{suggest(str(warm_rule), list(RULES))}"
            )
        self.rule = rule
        self.seed = seed
        self.share = SHARE if share is None else share
        self.cuts = None if cuts is None else (cuts[0], cuts[1])
        self.warm_rule = warm_rule

    def forward(self, data: HeteroData) -> HeteroData:
        """Write the masks."""
        store = data[graph.INTERACTS]
        if self.rule == "given":
            if any(f"{split}_mask" not in store for split in graph.SPLITS):
                raise DataError(
                    "split 'given': the graph has no complete set of split masks; use another "
                    f"rule: {', '.join((*RULES, *GLOBAL))}"
                )
        else:
            label = self._labels(data).to(store.edge_index.device)
            graph.set_split(data, label)
            drop_operators(data)
        data.split_rule = f"{self._settings()} sha256={split_digest(data)[:12]}"
        return data

    def _settings(self) -> str:
        """The rule with the options that it reads."""
        text = self.rule
        if self.rule not in BY_TIME and self.rule != "given":
            text += f" seed={self.seed}"
        if self.warm_rule is not None:
            text += f" warm_rule={self.warm_rule}"
        if self.cuts is not None:
            return f"{text} cuts={self.cuts[0]},{self.cuts[1]}"
        return f"{text} share={self.share}" if self.rule in GLOBAL else text

    def _labels(self, data: HeteroData) -> Tensor:
        user, item = data[graph.INTERACTS].edge_index.cpu()
        if self.rule not in GLOBAL:
            return self._user_labels(self.rule, user, item, data)
        label = self._global_labels(data, user, item)
        if self.warm_rule is not None:
            warm = (label == TRAIN).nonzero().squeeze(1)
            label[warm] = self._user_labels(self.warm_rule, user[warm], item[warm], data, warm)
        return label

    def _user_labels(
        self,
        rule: str,
        user: Tensor,
        item: Tensor,
        data: HeteroData,
        rows: Tensor | None = None,
    ) -> Tensor:
        """Labels by a rule that works user by user; ``rows`` says which these are, None all."""
        rank = _canonical(user, item)
        if rule in BY_TIME:
            time = self._time(data)
            time = time if rows is None else time[rows]
            rank = rank[torch.argsort(time[rank], stable=True)]
        else:
            generator = torch.Generator().manual_seed(self.seed)
            rank = rank[torch.randperm(user.numel(), generator=generator)]
        position, n = _positions(user, rank)
        label = RULES[rule](position, n)
        trained = torch.bincount(user[label == TRAIN], minlength=int(user.max()) + 1) > 0
        return label * trained[user]

    def _global_labels(self, data: HeteroData, user: Tensor, item: Tensor) -> Tensor:
        if self.rule == "cold_items":
            label = cold_item_labels(item, self.share, self.seed)
        else:
            label = time_labels(self._time(data), self.share, self.cuts)
        for name, count in check_reachable(self.rule, user, label).items():
            if count:
                logger.warning(
                    "split '%s': %d %s interactions belong to users without a training "
                    "interaction; an evaluation leaves them out", self.rule, count, name,
                )  # fmt: skip
        return label

    def _time(self, data: HeteroData) -> Tensor:
        time: Tensor | None = data[graph.INTERACTS].get("time")
        if time is None:
            raise DataError(
                f"split '{self.rule}' needs the time of each interaction, and the graph has "
                "none: read a file with a 'timestamp' column, or split at random"
            )
        graph.check_time(data)
        return time.cpu()

    def __repr__(self) -> str:
        return f"SplitInteractions({self._settings()})"


def _check_options(rule: str, share: float | None, cuts: Sequence[float] | None) -> None:
    for name, value, rules in (("share", share, GLOBAL), ("cuts", cuts, GLOBAL[:1])):
        if value is not None and rule not in rules:
            raise ConfigError(f"split {name}: '{rule}' takes none; it is for {', '.join(rules)}")
    if share is not None and (cuts is not None or not _number(share) or not 0 < share < 1):
        raise ConfigError(
            f"split share: got {share!r}, expected a number between 0 and 1, and no cuts beside it"
        )
    if cuts is not None and (
        not isinstance(cuts, list | tuple)
        or len(cuts) != 2
        or not all(map(_number, cuts))
        or not cuts[0] < cuts[1]
    ):
        raise ConfigError(f"split cuts: got {cuts!r}, expected two times, the earlier one first")


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def split_digest(data: HeteroData) -> str:
    """SHA-256 of which (user, item) pairs are in which split, whatever the order of the edges."""
    user, item = data[graph.INTERACTS].edge_index.cpu()
    label = graph.split_labels(data).cpu()
    order = _canonical(user, item)
    rows = torch.stack([user[order], item[order], label[order]])
    return hashlib.sha256(rows.numpy().tobytes()).hexdigest()


def _tail(position: Tensor, n: Tensor, val: Tensor, test: Tensor) -> Tensor:
    """Training rows first, then ``val`` rows of validation, then ``test`` rows of test."""
    return (position >= n - val - test).long() + (position >= n - test).long()


def _canonical(user: Tensor, item: Tensor) -> Tensor:
    """Rows by user, then item [E]: an order that does not depend on the order of the edges."""
    return torch.argsort(user * (int(item.max()) + 1) + item)


def _positions(user: Tensor, order: Tensor) -> tuple[Tensor, Tensor]:
    """Position of each row among its user's rows in ``order``, and their number; both [E]."""
    order = order[torch.argsort(user[order], stable=True)]
    position = torch.empty_like(user)
    position[order] = place_in_group(user[order])
    return position, torch.bincount(user)[user]
