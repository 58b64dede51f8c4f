"""The learning rate as a function of the step, so that nothing of it need be stored."""

from __future__ import annotations

import math

from mrdib_graph.training.trainer_config import TrainerConfig


def learning_rate(config: TrainerConfig, epoch: int, step: int, steps: int) -> float:
    r"""The learning rate of a step.

    With k the step over all epochs, from 0, of N, and W those of the warm-up,

    .. math::
        \eta_k = \eta\, g^{\mathrm{epoch} / 50} \cdot
        \begin{cases} (k + 1) / W & k < W \\ f\big((k - W) / (N - W)\big) & \text{else}\end{cases}

    where f(t) is 1 without a schedule, :math:`(1 + \cos \pi t) / 2` for ``'cosine'``, from `"SGDR:
    Stochastic Gradient Descent with Warm Restarts" <https://arxiv.org/abs/1608.03983>`_ (without
    restarts), and :math:`1 - t` for ``'linear'``.

    Args:
        config: Has :math:`\eta`, g, the schedule, and its lengths in epochs.
        epoch: From 0.
        step: Of the epoch, from 0.
        steps: Of an epoch.
    """
    rate: float = config.learning_rate * config.lr_decay ** (epoch / 50)
    warmup, place = config.warmup_epochs * steps, epoch * steps + step
    if place < warmup:
        return rate * ((place + 1) / warmup)
    if config.schedule == "none":
        return rate
    share = (place - warmup) / (config.epochs * steps - warmup)
    if config.schedule == "cosine":
        return rate * (0.5 * (1 + math.cos(math.pi * share)))
    return rate * (1 - share)
