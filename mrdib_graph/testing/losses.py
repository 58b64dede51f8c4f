"""A public check for anybody's ranking loss."""

from __future__ import annotations

from typing import Any

import torch
from torch import Generator, Tensor

from mrdib_graph.losses import Pairs, PairScores, RankingLoss
from mrdib_graph.typing import LogQ

_SIZE, _OTHERS, _WIDTH = 12, 7, 4


def check_loss(loss_class: type[RankingLoss], **options: Any) -> None:
    """Check that a ranking loss keeps the contract of :class:`~mrdib_graph.losses.RankingLoss`.

    On a few rows with negatives of their own and with a shared pool: the value is a finite scalar
    with a gradient; it falls while the observed items gain score; the order of the rows does not
    matter; an observed item that lacks what it is scored by, and another one that does not count,
    have no gradient; large scores, a batch of one and one where nothing counts stay finite; a sum
    of scores is worth what its parts are.

    Args:
        loss_class: The class to check; built as ``loss_class(**options)``.
        options: Keyword arguments of the class.

    Raises:
        AssertionError: A check fails; the message says which.
    """
    loss = loss_class(**options)
    for shared in (True, False):
        if not shared and loss.negatives == "all":
            continue
        _check_value(loss, shared)
        _check_order(loss, shared)
        _check_masks(loss, shared)
    if not loss.reads_rows:
        _check_sums(loss)


def rows_and_pairs(
    size: int, shared: bool, scale: float = 1.0, cosine: bool = False
) -> tuple[Tensor, Tensor, Pairs]:
    """Random user rows, item rows, and pairs of which some others do not count."""
    generator = Generator().manual_seed(size)
    user = scale * torch.randn(size, _WIDTH, generator=generator)
    others = (_OTHERS,) if shared else (size, _OTHERS)
    item = scale * torch.randn(size + torch.Size(others).numel(), _WIDTH, generator=generator)
    valid = torch.rand(size, _OTHERS, generator=generator) < 0.8
    valid[:, 0] = True
    log_q = LogQ(*(torch.rand(n, generator=generator).log() for n in (size, _OTHERS)))
    pairs = Pairs(size, others, cosine, valid if shared else None, log_q if shared else None)
    return user.requires_grad_(), item.requires_grad_(), pairs


def _check_value(loss: RankingLoss, shared: bool) -> None:
    for size, scale in ((_SIZE, 1.0), (1, 1.0), (_SIZE, 1e3)):
        user, item, pairs = rows_and_pairs(size, shared, scale, loss.cosine)
        value = loss(pairs.scores(user, item))
        assert value.shape == (), f"the loss has shape {list(value.shape)}, expected []"
        grads = torch.autograd.grad(value, [user, item])
        finite = all(bool(torch.isfinite(x).all()) for x in (value, *grads))
        assert finite, f"value or gradient is not finite at {size} rows of scale {scale}"
    user, item, pairs = rows_and_pairs(_SIZE, shared, 0.5, loss.cosine)
    before = loss(pairs.scores(user, item))
    nearer = torch.cat([item[:_SIZE] + 0.5 * user, item[_SIZE:]])
    assert loss(pairs.scores(user, nearer)) < before, (
        "the loss does not fall while the observed items move towards their users"
    )


def _check_order(loss: RankingLoss, shared: bool) -> None:
    user, item, pairs = rows_and_pairs(_SIZE, shared, 1.0, loss.cosine)
    order = torch.randperm(_SIZE, generator=Generator().manual_seed(1))
    positive, negative = pairs.split(item)
    others = negative if shared else negative[order].flatten(0, 1)
    valid = None if pairs.valid is None else pairs.valid[order]
    log_q = pairs.log_q and LogQ(pairs.log_q.positive[order], pairs.log_q.negative)
    turned = Pairs(_SIZE, pairs.negatives, loss.cosine, valid, log_q)
    value = loss(turned.scores(user[order], torch.cat([positive[order], others])))
    torch.testing.assert_close(value, loss(pairs.scores(user, item)), rtol=1e-5, atol=1e-6)


def _check_masks(loss: RankingLoss, shared: bool) -> None:
    user, item, pairs = rows_and_pairs(_SIZE, shared, 1.0, loss.cosine)
    has = torch.ones(item.size(0), dtype=torch.bool)
    has[[2, _SIZE + 3]] = False
    [grad] = torch.autograd.grad(loss(pairs.scores(user, item, has)), item)
    for row, what in ((2, "observed item"), (_SIZE + 3, "other item")):
        assert not grad[row].any(), f"an {what} that lacks what it is scored by has a gradient"
    nobody = torch.zeros_like(has)
    value = loss(pairs.scores(user, item, nobody))
    assert bool(torch.isfinite(value)), "the loss is not finite where no item has what is scored"


def _check_sums(loss: RankingLoss) -> None:
    """Sums of scores, which have no rows, give what their one part gives."""
    user, item, pairs = rows_and_pairs(_SIZE, True, 1.0, loss.cosine)
    scores = pairs.scores(user, item)
    zero = PairScores(torch.zeros_like(scores.positive), torch.zeros_like(scores.negative))
    torch.testing.assert_close(loss(scores.beside([zero])), loss(scores), rtol=1e-5, atol=1e-6)
