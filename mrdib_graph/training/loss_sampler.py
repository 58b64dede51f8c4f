"""The negatives that a ranking loss is given."""

from __future__ import annotations

from mrdib_graph.errors import ConfigError
from mrdib_graph.loader import sampler
from mrdib_graph.losses import BPRLoss, RankingLoss
from mrdib_graph.negatives import AllSampler, NegativeSampler
from mrdib_graph.training.trainer_config import TrainerConfig


def loss_sampler(loss: RankingLoss | None, config: TrainerConfig) -> NegativeSampler:
    """The sampler of the settings, or the one that the loss names; BPR's for None.

    Raises:
        ConfigError: The sampler or one of its options is unknown, or the loss compares with all
            items and the sampler does not.
    """
    own = (loss or BPRLoss).negatives
    made = sampler(config.negatives or own, config.num_negatives, config.negative_options)
    if own == "all" and not isinstance(made, AllSampler):
        raise ConfigError(
            f"negatives: got {config.negatives}, and {type(loss).__name__} compares with all "
            "items; use negatives: all, or the loss softmax"
        )
    return made
