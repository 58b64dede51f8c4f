"""Softmax losses: the observed item among sampled ones, or among all."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from mrdib_graph.errors import ConfigError
from mrdib_graph.losses.contrastive import log_sum_exp
from mrdib_graph.losses.pair_scores import PairScores
from mrdib_graph.losses.ranking import RankingLoss
from mrdib_graph.options import Positive, checked


class SoftmaxLoss(RankingLoss):
    r"""The observed item is to be told among sampled ones, from `"On the Effectiveness of Sampled
    Softmax Loss for Item Recommendation" <https://arxiv.org/abs/2201.02327>`_.

    .. math::
        L = -\frac1B \sum_b \log \frac{e^{t_b}}{e^{t_b} + \sum_j e^{t_{bj}}}, \qquad
        t = \frac{s}{\tau} - \log q

    With q, the probability with which an item is drawn, the sum over the sample stands for that
    over all items whatever the sampler prefers (`"On Using Very Large Target Vocabulary for Neural
    Machine Translation" <https://arxiv.org/abs/1412.2007>`_); of a uniform pool it cancels.  Items
    that the user has are no negatives.

    From 0 up, :math:`\log(1 + n)` where nothing is known; in nats, so that an observed item can
    tell :math:`\log_2(1 + n)` bits.  Costs B n values and one product of two matrices.

    Args:
        temperature: :math:`\tau`.
        cosine: Scores are cosines, which need a temperature of about 0.1; else inner products.
        correction: Subtract log q.

    Raises:
        ConfigError: The temperature is not above 0.
    """

    negatives: ClassVar[str] = "shared"
    nats: ClassVar[bool] = True

    @checked
    def __init__(
        self, temperature: Positive = 1.0, cosine: bool = False, correction: bool = True
    ) -> None:
        super().__init__()
        self.temperature = temperature
        self.cosine = cosine
        self.correction = correction

    def forward(self, scores: PairScores) -> Tensor:
        """Mean over the observed items."""
        positive = scores.positive / self.temperature
        offset = None
        if self.correction and scores.log_q is not None:
            positive, offset = positive - scores.log_q.positive, -scores.log_q.negative
        return F.softplus(self._others(scores, offset) - positive).mean()

    def _others(self, scores: PairScores, offset: Tensor | None) -> Tensor:
        """Log of the sum over the others [B]."""
        rows = scores.rows
        if rows is not None and rows.negative.dim() == 2:
            of_pool: Tensor = _LogSumExpOfPool.apply(  # type: ignore[no-untyped-call]
                rows.user / self.temperature, rows.negative, offset, scores.valid
            )
            return of_pool
        logits = scores.negative / self.temperature
        logits = logits if offset is None else logits + offset
        if scores.valid is not None:
            logits = logits.masked_fill(~scores.valid, _never(logits))
        return logits.logsumexp(1)


class _LogSumExpOfPool(torch.autograd.Function):
    """``logsumexp(user @ pool.T + offset)`` over what is valid: [B, w], [n, w], [n] -> [B].

    One [B, n] is kept, changed in place and used as it is by the backward pass: the step costs
    half of what torch's own chain of operations costs.
    """

    @staticmethod
    def forward(
        ctx: Any, user: Tensor, pool: Tensor, offset: Tensor | None, valid: Tensor | None
    ) -> Tensor:
        scores = user @ pool.T
        if offset is not None:
            scores.add_(offset)
        if valid is not None:
            scores.masked_fill_(~valid, _never(scores))
        top = scores.amax(1, keepdim=True)
        total = scores.sub_(top).exp_().sum(1)
        ctx.save_for_backward(user, pool, scores, total)
        return total.log() + top.squeeze(1)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, None, None]:
        user, pool, powers, total = ctx.saved_tensors
        share = (grads[0] / total).unsqueeze(1)
        return (powers @ pool).mul_(share), powers.T @ (user * share), None, None


def _never(scores: Tensor) -> float:
    """The score of what does not count: its exponential is 0, and no infinity becomes NaN."""
    return torch.finfo(scores.dtype).min / 2


class FullSoftmaxLoss(RankingLoss):
    r"""The observed item is to be told among all items that occur in training.

    .. math::
        L = -\frac1B \sum_b \log \frac{e^{s_b / \tau}}{\sum_{i} e^{s_{bi} / \tau}}

    The multinomial likelihood of `"Variational Autoencoders for Collaborative Filtering"
    <https://arxiv.org/abs/1802.05814>`_; a user's other items stand in the sum, as there.

    From 0 up, :math:`\log I` where nothing is known; in nats.  Costs B I products in blocks, made
    again in the backward pass, so that memory is that of one block: it pays up to some ten
    thousand items.

    Args:
        temperature: :math:`\tau`.
        cosine: Scores are cosines; else inner products.

    Raises:
        ConfigError: The temperature is not above 0; at the call: the negatives are not ``all``,
            or the scores are sums, which have no rows.
    """

    negatives: ClassVar[str] = "all"
    nats: ClassVar[bool] = True
    reads_rows: ClassVar[bool] = True

    @checked
    def __init__(self, temperature: Positive = 1.0, cosine: bool = False) -> None:
        super().__init__()
        self.temperature = temperature
        self.cosine = cosine

    def forward(self, scores: PairScores) -> Tensor:
        """Mean over the observed items."""
        rows = self.rows_of(scores)
        if rows.negative.dim() != 2:
            raise ConfigError(
                "negatives: full-softmax compares with all items, got others for each observed "
                "one; use negatives=all, or the loss softmax"
            )
        lacks = None
        if rows.has is not None:
            lacks = torch.zeros_like(rows.negative[:, 0])
            lacks = lacks.masked_fill(~rows.has, _never(lacks))
        total = log_sum_exp(rows.user / self.temperature, rows.negative, lacks)
        return scores.mean_positive(total - scores.positive / self.temperature)
