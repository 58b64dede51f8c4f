"""The redundancy term: estimates of what codes share, over pairs or as a chain."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Literal, NamedTuple

import torch
from torch import Tensor
from torch.nn import ModuleDict

from mrdib_graph import resolver
from mrdib_graph.errors import ConfigError
from mrdib_graph.estimators import MIEstimator
from mrdib_graph.typing import GaussianCode, Terms

RedundancyForm = Literal["pairwise", "total_correlation"]


class Comparison(NamedTuple):
    """The two sides of one estimate: codes side by side, and the code of one more modality."""

    first: tuple[str, ...]
    second: str

    @property
    def name(self) -> str:
        """Key of its estimator, without characters that a module's name cannot have."""
        return f"{'+'.join(self.first)}|{self.second}"


def comparisons(modalities: Sequence[str], form: RedundancyForm) -> list[Comparison]:
    """What is compared: every pair, or each modality with all before it.

    Raises:
        ConfigError: Another form.
    """
    if form == "pairwise":
        return [Comparison((a,), b) for a, b in combinations(modalities, 2)]
    if form == "total_correlation":
        return [Comparison(tuple(modalities[:k]), modalities[k]) for k in range(1, len(modalities))]
    raise ConfigError(f"redundancy: got {form!r}, expected pairwise or total_correlation")


def build_estimators(
    cls: type[MIEstimator],
    compared: Sequence[Comparison],
    embedding_dim: int,
    options: Mapping[str, object],
) -> ModuleDict:
    """One estimator for each comparison, by its name.

    Raises:
        ConfigError: An unknown option, or a class that compares codes of one width only where
            another is needed.
    """
    built = ModuleDict()
    takes_width = "first_dim" in inspect.signature(cls).parameters
    for comparison in compared:
        count = len(comparison.first)
        if count > 1 and not takes_width:
            raise ConfigError(
                f"redundancy: total_correlation compares a code with {count} codes side by side, "
                f"and {cls.__name__} has no option first_dim for their width; give it one, or use "
                "pairwise"
            )
        width = {"first_dim": count * embedding_dim} if takes_width else {}
        built[comparison.name] = resolver.build(
            cls, options, "estimator", embedding_dim=embedding_dim, **width
        )
    return built


def redundancy_terms(
    estimators: ModuleDict,
    compared: Sequence[Comparison],
    form: RedundancyForm,
    codes: Mapping[str, Mapping[str, GaussianCode]],
    masks: Mapping[str, Tensor],
    node_types: Sequence[str],
    generator: torch.Generator | None,
) -> Terms:
    """The term and the critics' own loss; neither where no comparison has two rows.

    Pairs are averaged; the parts of a chain are added up, then averaged over node types.  Each
    comparison reads the rows that have all of its modalities.

    Raises:
        ConfigError: ``node_types`` names one without codes.
    """
    unknown = [t for t in node_types if t not in codes]
    if unknown:
        raise ConfigError(f"redundancy_on: got '{unknown[0]}', expected among {', '.join(codes)}")
    values, learning, seen = [], [], set()
    for comparison in compared:
        estimator = estimators[comparison.name]
        assert isinstance(estimator, MIEstimator)
        names = (*comparison.first, comparison.second)
        for node_type in node_types:
            if any(m not in codes[node_type] for m in names):
                continue
            samples = [codes[node_type][m].sample for m in names]
            present = [masks[m] for m in names if m in masks and node_type == "item"]
            if present:
                every = torch.stack(present).all(0)
                samples = [z[every] for z in samples]
            *first, z2 = samples
            z1 = first[0] if len(first) == 1 else torch.cat(first, -1)
            if z1.size(0) < 2:
                continue
            seen.add(node_type)
            values.append(estimator(z1, z2, generator=generator))
            learning.append(estimator.learning_loss(z1, z2, generator=generator))
    if not values:
        return {}
    stacked = torch.stack(values)
    value = stacked.mean() if form == "pairwise" else stacked.sum() / len(seen)
    return {"redundancy": value, "estimator": torch.stack(learning).sum()}
