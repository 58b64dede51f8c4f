"""Settings of a search for settings."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mrdib_graph.errors import ConfigError
from mrdib_graph.options import Count, Seed, checked


@checked
@dataclass(frozen=True)
class TuneConfig:
    """How every arm is tuned; the same for all of them.

    Args:
        trials: Trials of each arm.
        space: YAML file of a :class:`SearchSpace`.
        seeds: Training seeds of every trial, which must not be reported; a trial's value is the
            mean over them.
        storage: Where trials are kept: a database's URL, or a file for SQLite; a file in the output
            folder for None.

    Raises:
        ConfigError: A value of the wrong type or out of range.
    """

    trials: Count
    space: Path
    seeds: tuple[Seed, ...] = (100,)
    storage: str | None = None

    def __post_init__(self) -> None:
        if not self.seeds or len(set(self.seeds)) < len(self.seeds):
            raise ConfigError(f"tune_seeds: got {list(self.seeds)}, expected different seeds")

    def check_unreported(self, seeds: list[int]) -> None:
        """Refuse to choose settings on a seed that is reported.

        Raises:
            ConfigError: A seed is in both lists.
        """
        both = sorted(set(self.seeds) & set(seeds))
        if both:
            raise ConfigError(
                f"tune_seeds: {both[0]} is among --seeds {seeds}; a seed that settings are chosen "
                "on is never reported: choose another"
            )
