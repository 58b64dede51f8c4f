"""Loss terms and their owners: every term has one owner, and a weight that this owner gave it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from torch import Tensor

from mrdib_graph.errors import ConfigError
from mrdib_graph.typing import Terms

Weights = Mapping[str, float]


def join_weights(owned: Mapping[str, Weights]) -> dict[str, float]:
    """Weight of every term by name, from the weights of each owner.

    Raises:
        ConfigError: Two owners have a term of one name.
    """
    owner_of = _owner_of(owned)
    return {name: owned[owner][name] for name, owner in owner_of.items()}


def join_terms(parts: Iterable[tuple[str, Terms]], weights: Mapping[str, Weights]) -> Terms:
    """All terms by name; nothing here waits for a GPU.

    Args:
        parts: Owners and the terms that they computed, each a scalar tensor.
        weights: Owner to the weight of each of its terms; a weight without a term is fine.

    Raises:
        ConfigError: Two owners of one name, a term without a weight, or one that is no scalar
            tensor.
    """
    owner_of = _owner_of(weights)
    terms: Terms = {}
    for owner, computed in parts:
        if not isinstance(computed, Mapping):
            raise ConfigError(f"terms: {owner} returned {_kind(computed)}, expected {{name: term}}")
        for name, term in computed.items():
            if not isinstance(term, Tensor) or term.dim():
                raise ConfigError(
                    f"term '{name}': {owner} returned {_kind(term)}, expected a tensor of shape []"
                )
            if owner_of.get(name, owner) != owner:
                raise _clash(name, owner_of[name], owner)
            if name not in owner_of:
                raise ConfigError(
                    f"term '{name}': {owner} returned it without a weight; add it to loss_weights, "
                    f"which has {', '.join(weights[owner]) or 'none'}"
                )
            terms[name] = term
    return terms


def _owner_of(weights: Mapping[str, Weights]) -> dict[str, str]:
    owner_of: dict[str, str] = {}
    for owner, names in weights.items():
        for name in names:
            if name in owner_of:
                raise _clash(name, owner_of[name], owner)
            owner_of[name] = owner
    return owner_of


def _clash(name: str, first: str, second: str) -> ConfigError:
    return ConfigError(
        f"term '{name}': both {first} and {second} have a term of this name; rename one of them"
    )


def _kind(value: object) -> str:
    if isinstance(value, Tensor):
        return f"a tensor of shape {list(value.shape)}"
    return f"{type(value).__name__} {value!r}"
