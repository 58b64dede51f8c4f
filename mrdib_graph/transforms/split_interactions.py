"""Split interactions into training, validation and test by a named rule."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import torch
from torch import Tensor
from torch_geometric.data import HeteroData
from torch_geometric.transforms import BaseTransform

from mrdib_graph import graph
from mrdib_graph.errors import ConfigError, DataError
from mrdib_graph.resolver import suggest
from mrdib_graph.transforms.drop_derived import drop_operators

TRAIN, VAL, TEST = 0, 1, 2


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
}
BY_TIME = ("leave_last_out",)


class SplitInteractions(BaseTransform):  # type: ignore[misc]
    """Writes ``train_mask``, ``val_mask`` and ``test_mask`` by a rule that works user by user.

    ================== ==================== =======================================================
    rule               order of a user      held out of a user's n rows
    ================== ==================== =======================================================
    ``random``         fresh permutation    n < 10: 1 validation, 1 test; else k = int(0.2 n),
                                            k // 2 validation, the rest of k test (MMRec)
    ``lattice``        fresh permutation    the same k; k // 2 test, the rest of k validation
    ``ratio``          fresh permutation    all but int(0.8 n); int(0.1 n) validation, the rest test
    ``leave_last_out`` time, ties by item   the latest row test, the second latest validation
    ``given``          --                   keeps the masks that the graph has
    ================== ==================== =======================================================

    A user whom a rule leaves no training row keeps all rows in training.  The permutation depends
    on seed, users and items only, not on the order of the edges.  Rule, seed and a hash of the
    result are recorded as ``data.split_rule``.  Derived sparse operators are dropped.

    Args:
        rule: One of the above.
        seed: Seed of the permutations.

    Raises:
        ConfigError: The rule is unknown or the seed negative.
        DataError: ``given`` without masks, or ``leave_last_out`` without ``time``.
    """

    def __init__(self, rule: str = "random", seed: int = 0) -> None:
        choices = [*RULES, "given"]
        if rule not in choices:
            raise ConfigError(
                f"split: got {rule!r}, expected one of {', '.join(choices)}"
                f"{suggest(str(rule), choices)}"
            )
        if seed < 0:
            raise ConfigError(f"split seed: got {seed}, expected 0 or more")
        self.rule = rule
        self.seed = seed

    def forward(self, data: HeteroData) -> HeteroData:
        """Write the masks."""
        store = data[graph.INTERACTS]
        if self.rule == "given":
            if any(f"{split}_mask" not in store for split in graph.SPLITS):
                raise DataError(
                    "split 'given': the graph has no complete set of split masks; use another "
                    f"rule: {', '.join(RULES)}"
                )
        else:
            label = self._labels(data).to(store.edge_index.device)
            for value, split in enumerate(graph.SPLITS):
                store[f"{split}_mask"] = label == value
            drop_operators(data)
        seed = f" seed={self.seed}" if self.rule in RULES and self.rule not in BY_TIME else ""
        data.split_rule = f"{self.rule}{seed} sha256={split_digest(data)[:12]}"
        return data

    def _labels(self, data: HeteroData) -> Tensor:
        user, item = data[graph.INTERACTS].edge_index.cpu()
        if self.rule in BY_TIME:
            time = data[graph.INTERACTS].get("time")
            if time is None:
                raise DataError(
                    f"split '{self.rule}' needs the time of each interaction, and the graph has "
                    "none: read a file with a 'timestamp' column, or split at random"
                )
            rank = _canonical(user, item)
            rank = rank[torch.argsort(time.cpu()[rank], stable=True)]
        else:
            generator = torch.Generator().manual_seed(self.seed)
            rank = _canonical(user, item)[torch.randperm(user.numel(), generator=generator)]
        position, n = _positions(user, rank)
        label = RULES[self.rule](position, n)
        trained = torch.bincount(user[label == TRAIN], minlength=int(user.max()) + 1) > 0
        return label * trained[user]

    def __repr__(self) -> str:
        return f"SplitInteractions(rule={self.rule!r}, seed={self.seed})"


def split_digest(data: HeteroData) -> str:
    """SHA-256 of which (user, item) pairs are in which split, whatever the order of the edges."""
    store = data[graph.INTERACTS]
    user, item = store.edge_index.cpu()
    label = store.val_mask.cpu().long() + 2 * store.test_mask.cpu().long()
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
    counts = torch.bincount(user)
    start = counts.cumsum(0) - counts
    position = torch.empty_like(user)
    position[order] = torch.arange(user.numel()) - start[user[order]]
    return position, counts[user]
