"""Full-ranking evaluation: every item is scored, the user's training items are masked."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from mrdib_graph import graph
from mrdib_graph.errors import ConfigError, DataError
from mrdib_graph.evaluation import scoring
from mrdib_graph.evaluation.chosen_metrics import catalogue, chosen_metrics, read_by
from mrdib_graph.evaluation.result import MetricResult, Ranked, from_ranked
from mrdib_graph.evaluation.scoring import ScoreFn
from mrdib_graph.evaluation.share_below import share_below
from mrdib_graph.evaluation.split_matrices import of_items, split_matrices, union
from mrdib_graph.evaluation.top_k import check_k, top_k
from mrdib_graph.graph import check_rows
from mrdib_graph.metrics import Metric
from mrdib_graph.options import Count, checked
from mrdib_graph.sparse import SparseMatrix, row_entries


@checked
@dataclass(frozen=True)
class EvaluatorConfig:
    """What to compute.

    Args:
        cutoffs: The k of recall@k.
        metrics: Names of :mod:`mrdib_graph.metrics`, such as ``hit_rate``; classes; or
            ``file.py:Class``.
        mask_validation: In test, take the validation positives out of the ranking too.  Published
            tables leave them in; ``masked`` of the result names what was done.
        batch_size: Largest number of users scored at once; fewer where there are many items.

    Raises:
        ConfigError: A value is out of range or a metric unknown.
    """

    cutoffs: tuple[Count, ...] = (5, 10, 20, 50)
    metrics: tuple[str | type[Metric], ...] = ("recall", "ndcg", "precision", "map")
    mask_validation: bool = False
    batch_size: Count = 2048

    def __post_init__(self) -> None:
        for name in ("cutoffs", "metrics"):
            if not getattr(self, name):
                raise ConfigError(f"{name}: got none, expected one or more")
        chosen_metrics(self.metrics, self.cutoffs)


class Evaluator:
    """Ranks all items for each user and compares with the held-out positives.

    Candidates are all items, those without a training row included, less the user's training
    positives; or, among them, those of a mask.  Users are those with at least one row of the split
    (of a candidate, where they are restricted) and one training row.  Equal
    scores rank by lower item id; a score of minus infinity is never recommended and never a hit.

    Works on any device of the tables; results are on the CPU.  The same tables and ``batch_size``
    give the same result; another ``batch_size`` may round a matrix product differently.

    Args:
        data: The graph with its split masks.
        config: What to compute.

    Raises:
        ConfigError: A metric compares features, and the graph has none.
        DataError: The graph has no split, or a user-item pair occurs twice.
    """

    def __init__(self, data: HeteroData, config: EvaluatorConfig | None = None) -> None:
        self.config = config or EvaluatorConfig()
        self.metrics = chosen_metrics(self.config.metrics, self.config.cutoffs)
        self.catalogue = catalogue(data, self.metrics)
        self.num_users, self.num_items = graph.num_users(data), graph.num_items(data)
        self._interactions = split_matrices(data)
        self._masks: dict[tuple[str, ...], SparseMatrix] = {}
        has_train = self._interactions["train"].crow.diff() > 0
        self._users: dict[str, Tensor] = {}
        for split in ("val", "test"):
            present = self._interactions[split].crow.diff() > 0
            self._users[split] = (present & has_train).nonzero().squeeze(1)
            self._mask(self._masked_splits(split))
            dropped = int((present & ~has_train).sum())
            if dropped:
                warnings.warn(
                    f"{dropped} users with rows in the {split} split have no training row and are "
                    "left out of the evaluation",
                    stacklevel=2,
                )

    @property
    def names(self) -> list[str]:
        """Names of the metrics, such as ``'recall@20'``."""
        return [metric.name for metric in self.metrics]

    def __call__(
        self,
        user_table: Tensor,
        item_table: Tensor,
        split: str = "test",
        user_ids: Tensor | None = None,
        candidates: Tensor | None = None,
    ) -> MetricResult:
        """Evaluate the inner products of two tables.

        Args:
            user_table: [U, w].
            item_table: [I, w].
            split: ``'val'`` or ``'test'``.
            user_ids: Evaluate these users alone [n]; those without a positive are left out.
            candidates: Rank these items alone, a mask [I] bool; positives that are none do not
                count.  :func:`slice_metrics` instead keeps the ranks among all items.

        Raises:
            ConfigError: A table or the mask has the wrong shape, or the split or a user is unknown.
            DataError: No user is left to evaluate.
            TrainingError: A table or a score is not finite.
        """
        return self.evaluate_scores((user_table, item_table), split, user_ids, candidates)

    @torch.no_grad()
    def evaluate_scores(
        self,
        scores: ScoreFn | tuple[Tensor, Tensor],
        split: str = "test",
        user_ids: Tensor | None = None,
        candidates: Tensor | None = None,
    ) -> MetricResult:
        """Evaluate any scoring function, for example ``baseline.score``.

        Args:
            scores: User ids [b] to scores [b, I], which are copied, never written to; or the user
                and the item table.
            split: As in :meth:`__call__`, like the other arguments and what is raised.
            user_ids: See there.
            candidates: See there.
        """
        scores = self._score_fn(scores)
        users = self.users(split)
        held = self._interactions[split]
        if candidates is not None:
            candidates = self._check_candidates(candidates)
            held = of_items(held, candidates)
            users = users[held.crow.diff()[users] > 0]
        if user_ids is not None:
            check_rows("users", user_ids, self.num_users)
            users = users[torch.isin(users, user_ids.cpu())]
        if not users.numel():
            raise DataError(
                f"evaluation: none of the users has a row in the {split} split and a training row"
                + ("" if candidates is None else ", among the candidates")
            )
        ranked = self.num_items if candidates is None else int(candidates.sum())
        k = min(max(self.config.cutoffs), ranked)
        masked = self._masked_splits(split)
        mask, reads = self._mask(masked), read_by(self.metrics)
        hidden = mask if candidates is None else of_items(mask, candidates)
        free = ranked - hidden.crow.diff()  # candidates of each user
        positives, ranks, lists, shares = [], [], [], []
        for block, score in self._scores(scores, users, masked, candidates):
            items, _ = _best(score, k)
            place, item = row_entries(held.crow, held.col, block)
            hit, rank = (items[place] == item.unsqueeze(1)).nonzero(as_tuple=True)
            positives.append(torch.stack([block[place], item]))
            ranks.append(torch.zeros_like(item).index_copy_(0, hit, rank + 1))
            if "lists" in reads:
                lists.append(items)
            if "scores" in reads:
                shares.append(share_below(score, place, item, free[block]))
        left = Ranked(
            torch.cat(positives, 1),
            torch.cat(ranks),
            torch.cat(lists) if lists else None,
            torch.cat(shares) if shares else None,
        )
        return from_ranked(left, self.metrics, self.catalogue, split, masked, ranked)

    def users(self, split: str) -> Tensor:
        """Ids of the users that are evaluated on a split [n], in ascending order.

        Raises:
            ConfigError: The split is unknown.
        """
        if split not in self._users:
            raise ConfigError(f"split: got {split!r}, expected val or test")
        return self._users[split]

    @torch.no_grad()
    def top_items(
        self,
        scores: ScoreFn | tuple[Tensor, Tensor],
        users: Tensor,
        k: int,
        exclude: tuple[str, ...] = ("train",),
    ) -> tuple[Tensor, Tensor]:
        """The k best items of each user, best first.

        Args:
            scores: A scoring function, or the user and the item table.
            users: User ids [n].
            k: Number of items, at most I.
            exclude: Splits whose items are not recommended.

        Returns:
            Item ids [n, k] and their scores [n, k], both on the CPU; -1 and minus infinity where
            a user has fewer than k candidates.

        Raises:
            ConfigError: A split or user is unknown, or k is out of range.
            TrainingError: A table is not finite, or a score is NaN or plus infinity.
        """
        k = check_k(k, self.num_items)
        if set(exclude) - set(graph.SPLITS):
            raise ConfigError(f"exclude: got {exclude!r}, expected {', '.join(graph.SPLITS)}")
        blocks = self._scores(self._score_fn(scores), users, tuple(exclude))
        ranked = [_best(score, k) for _, score in blocks]
        if not ranked:
            return torch.empty(0, k, dtype=torch.int64), torch.empty(0, k)
        items, values = zip(*ranked, strict=True)
        return torch.cat(items), torch.cat(values)

    def _check_candidates(self, candidates: Tensor) -> Tensor:
        if candidates.dtype != torch.bool or tuple(candidates.shape) != (self.num_items,):
            raise ConfigError(
                f"candidates: got {candidates.dtype} {tuple(candidates.shape)}, expected a bool "
                f"mask ({self.num_items},)"
            )
        return candidates.cpu()

    def _scores(
        self,
        score: ScoreFn,
        users: Tensor,
        masked: tuple[str, ...],
        candidates: Tensor | None = None,
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """Users [b] of each block and their scores [b, I], minus infinity where masked."""
        check_rows("users", users, self.num_users)
        mask = self._mask(masked)
        left_out = None if candidates is None else (~candidates).nonzero().squeeze(1)
        for block in scoring.blocks(users.cpu(), self.config.batch_size, self.num_items):
            scores = score(block)
            place, item = row_entries(mask.crow, mask.col, block)
            flat = (place * self.num_items + item).to(scores.device)
            scores.view(-1).index_fill_(0, flat, -torch.inf)
            if left_out is not None:
                scores.index_fill_(1, left_out.to(scores.device), -torch.inf)
            yield block, scores

    def _score_fn(self, scores: ScoreFn | tuple[Tensor, Tensor]) -> ScoreFn:
        if callable(scores):
            return scoring.from_function(scores, self.num_items)
        return scoring.from_tables(*scores, self.num_users, self.num_items)

    def _masked_splits(self, split: str) -> tuple[str, ...]:
        return ("train", "val") if split == "test" and self.config.mask_validation else ("train",)

    def _mask(self, splits: tuple[str, ...]) -> SparseMatrix:
        """The pairs of some splits, kept for the next call; train alone needs no union."""
        if splits not in self._masks:
            parts = [self._interactions[split] for split in splits]
            self._masks[splits] = (
                parts[0] if len(parts) == 1 else union((self.num_users, self.num_items), *parts)
            )
        return self._masks[splits]

    def __repr__(self) -> str:
        users = ", ".join(f"{len(ids):,} in {split}" for split, ids in self._users.items())
        metrics = ", ".join(dict.fromkeys(metric.label() for metric in self.metrics))
        cutoffs = ", ".join(map(str, self.config.cutoffs))
        return f"Evaluator({self.num_items:,} items, users: {users}; {metrics} at {cutoffs})"


def _best(scores: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """The k best items of each row [b, k], -1 where there is none, and their scores [b, k]."""
    values, items = top_k(scores, k)
    return items.masked_fill_(values == -torch.inf, -1).cpu(), values.cpu()
