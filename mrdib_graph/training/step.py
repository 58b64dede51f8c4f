"""One training step, the same for the trainer, the public checks and the timings."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Literal

import torch
from torch import Generator, Tensor
from torch.nn.utils import clip_grad_norm_
from torch.optim import Optimizer
from torch_geometric.data import HeteroData

from mrdib_graph import distributed
from mrdib_graph.errors import TrainingError
from mrdib_graph.recommender import Recommender
from mrdib_graph.typing import Terms, Triplets


def training_step(
    recommender: Recommender,
    data: HeteroData,
    batch: Triplets,
    optimizer: Optimizer,
    noise: Generator | None = None,
    zero_grad: Literal["none", "zeros"] = "none",
    where: str = "this step",
    clip_norm: float = 0.0,
    autocast: Literal["none", "bfloat16"] = "none",
) -> Terms:
    """Loss, gradient and update on one batch; of several processes, all call it with the same one.

    Args:
        recommender: In train mode, its epoch prepared.
        data: The graph, or the subgraph sampled around the batch.
        batch: The triplets.
        optimizer: Of the recommender's parameters.
        noise: What the codes draw from.
        zero_grad: What a parameter without a gradient in this step has: none, or zeros, with which
            it keeps moving on Adam's momentum.
        where: The step's place, used in the message.
        clip_norm: Largest norm of the gradient of all parameters together; 0 for any.
        autocast: What dense products of the loss are rounded to.

    Returns:
        The unweighted terms before the update, and their weighted sum as ``'loss'``, first; with
        ``clip_norm`` the norm of the gradient, before it was clipped, as ``'gradient_norm'``.

    Raises:
        TrainingError: The loss is not finite; nothing was changed.
    """
    with _precision(autocast, batch.user.device.type):
        terms = recommender.loss(data, batch, noise)
    if autocast != "none":  # halved terms would lose digits in their sum
        terms = {name: term.float() for name, term in terms.items()}
    total = recommender.total(terms)
    _check_finite(total, terms, where)
    optimizer.zero_grad(set_to_none=zero_grad == "none")
    torch.autograd.backward(total / distributed.size())
    distributed.sum_gradients(recommender.parameters())
    found = {"loss": total, **terms}
    if clip_norm:
        found["gradient_norm"] = clip_grad_norm_(recommender.parameters(), clip_norm)
    optimizer.step()
    return {name: value.detach() for name, value in found.items()}


def _precision(autocast: str, device_type: str) -> AbstractContextManager[object]:
    if autocast == "none":
        return nullcontext()
    return torch.autocast(device_type, torch.bfloat16)


def _check_finite(total: Tensor, terms: Terms, where: str) -> None:
    if bool(torch.isfinite(total)):
        return
    bad = [name for name, value in terms.items() if not bool(torch.isfinite(value))]
    values = ", ".join(f"{name} {value.item():.3g}" for name, value in terms.items())
    raise TrainingError(
        f"the loss is not finite at {where}: term {', '.join(bad) or 'total'} ({values}); lower "
        "the learning rate or the weight of that term. The last checkpoint is untouched"
    )
