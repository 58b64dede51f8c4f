"""Means of the weights over training: what is evaluated and kept in place of the last ones."""

from __future__ import annotations

from typing import Any, cast

from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn, get_swa_multi_avg_fn

from mrdib_graph.recommender import Recommender
from mrdib_graph.training.trainer_config import TrainerConfig


class Average:
    r"""A second recommender, whose weights are a mean over those of the first.

    ``'ema'``, after each step, as in `"Mean teachers are better role models"
    <https://arxiv.org/abs/1703.01780>`_ (Tarvainen and Valpola, NeurIPS 2017), with d the decay:

    .. math::
        \bar\theta_1 = \theta_1, \qquad \bar\theta_t = d\, \bar\theta_{t-1} + (1 - d)\, \theta_t

    ``'swa'``, after each epoch, from `"Averaging Weights Leads to Wider Optima and Better
    Generalization" <https://arxiv.org/abs/1803.05407>`_ (Izmailov et al., UAI 2018):

    .. math::
        \bar\theta_n = \frac1n \sum_{e=1}^{n} \theta_e

    Parameters are averaged.  Buffers are copied: seeds of draws, neighbours and counters have no
    mean.  A learned item graph is made anew from the averaged parameters when it is evaluated.

    Args:
        recommender: What is trained.
        config: Has ``average``, ``average_after`` and ``ema_decay``.
    """

    def __init__(self, recommender: Recommender, config: TrainerConfig) -> None:
        self.each_step = config.average == "ema"
        self.after = config.average_after
        if self.each_step:
            mean = get_ema_multi_avg_fn(config.ema_decay)  # type: ignore[no-untyped-call]
        else:
            mean = get_swa_multi_avg_fn()  # type: ignore[no-untyped-call]
        self._averaged = AveragedModel(recommender, multi_avg_fn=mean, use_buffers=False)

    @property
    def begun(self) -> bool:
        """Whether any weights were averaged."""
        return bool(self._averaged.n_averaged > 0)

    @property
    def recommender(self) -> Recommender:
        """The one with the averaged weights."""
        return cast(Recommender, self._averaged.module)

    def end_step(self, recommender: Recommender, epoch: int) -> None:
        """Take in the weights after a step of an epoch, counted from 0."""
        if self.each_step and epoch >= self.after:
            self._averaged.update_parameters(recommender)

    def end_epoch(self, recommender: Recommender, epoch: int) -> None:
        """Take in the weights after an epoch, counted from 0."""
        if not self.each_step and epoch >= self.after:
            self._averaged.update_parameters(recommender)

    def state_dict(self) -> dict[str, Any]:
        """The averaged weights, and how many they are the mean of."""
        return self._averaged.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a state."""
        self._averaged.load_state_dict(state)
