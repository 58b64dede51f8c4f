"""Keys and files of schema version 1, where an arm was called an objective, as of today.

Version 1 has ``objective`` and ``settings.<backbone>.objectives`` in settings files, ``objective``
in ``results.json`` and in ``per_user.parquet``.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from mrdib_graph.errors import ConfigError, DataError

VERSION = 2
"""Of ``results.json`` and the files beside it, as written now."""

REMOVED = {
    "weighting": "learned weights gained nothing and are gone; leave it out, alphas are fixed",
    "alpha_synergy": "the synergy hinge gained nothing and is gone; leave it out",
    "synergy_margin": "the synergy hinge gained nothing and is gone; leave it out",
    "free_bits": "the variant FreeBits has it; add part: free-bits to the arm",
    "redundancy": (
        "total_correlation is a variant, so write part: total-correlation; "
        "pairwise is MRdIB itself, so leave it out"
    ),
    "alpha_kl: bound": "the bound is a variant; write part: evidence-bound and leave alpha_kl out",
}
"""Options that MRdIB had once, and what is there today."""

_CONTROLS = (
    *("noise", "id-dropout", "modality-dropout", "no-content", "split-l2", "content-loss"),
)
_LATE = "-late"
_SETTINGS = {
    *("options", "embedding_dim", "reg_fused", "placement", "missing_codes", "trainer", "arms"),
}


def configuration(content: Mapping[Any, Any]) -> dict[Any, Any]:
    """The content of a settings file or of ``config.yaml``.

    Raises:
        ConfigError: A key stands there by its old and by its new name.
    """
    renamed = _renamed(content, "objective")
    of_backbones = renamed.get("settings")
    if isinstance(of_backbones, Mapping):
        renamed["settings"] = {
            name: settings(own) if isinstance(own, Mapping) else own
            for name, own in of_backbones.items()
        }
    return renamed


def settings(content: Mapping[Any, Any]) -> dict[Any, Any]:
    """The settings of one backbone.

    Raises:
        ConfigError: As :func:`configuration`.
    """
    renamed = _renamed(content, "objectives")
    if "objectives" in content and renamed.keys() >= _SETTINGS:  # a whole one: nothing is added
        renamed = {"loss": "bpr", "loss_options": {}} | renamed
    return renamed


def refuse_removed(options: Mapping[str, Any], known: Collection[str], what: str) -> None:
    """Say what replaced an option of MRdIB that went.

    Args:
        options: Of an arm.
        known: Names that the arm's part takes today.
        what: The arm, used in messages.

    Raises:
        ConfigError: An option is in :data:`REMOVED` and the part does not take it.
    """
    for name, value in options.items():
        key = "alpha_kl: bound" if name == "alpha_kl" and value == "bound" else name
        if key in REMOVED and key not in known:
            raise ConfigError(f"{what}: option '{key}' was removed: {REMOVED[key]}")


def results(content: dict[str, Any]) -> dict[str, Any]:
    """The content of ``results.json``, as of :data:`VERSION`.

    Raises:
        DataError: It is of another version than 1 and :data:`VERSION`.
    """
    version = content.get("schema_version")
    if version == VERSION:
        return content
    if version != 1:
        raise DataError(
            f"schema_version {version}, expected 1 or {VERSION}; read it with the release that "
            "wrote it, or run the job again"
        )
    return content | {
        "schema_version": VERSION,
        "config": configuration(content["config"]),
        "arms": [_arm(arm) for arm in content["arms"]],
        "comparisons": [_renamed(c, "objective", "arm") for c in content["comparisons"]],
    }


def per_user(columns: Mapping[str, Any]) -> dict[str, Any]:
    """The columns of ``per_user.parquet``, as of :data:`VERSION`."""
    return _renamed(columns, "objective", "arm")


def _arm(content: dict[str, Any]) -> dict[str, Any]:
    """An arm of ``results.json`` with what version 1 took from its name."""
    arm = _renamed(content, "objective", "arm")
    name, late = arm["arm"], bool(arm.get("late_fusion", False))
    base = name.removesuffix(_LATE)
    late = late or base != name
    partner = None if name in ("bare", "closed-form") else "bare"
    if late and base != "bare":
        partner = f"bare{_LATE}"
    control = base in _CONTROLS or name == f"bare{_LATE}"
    return arm | {"late_fusion": late, "partner": partner, "is_control": control}


def _renamed(content: Mapping[Any, Any], old: str, new: str = "arms") -> dict[Any, Any]:
    if old in content and new in content:
        raise ConfigError(f"configuration keys '{old}' and '{new}': one is the other's old name")
    return {new if name == old else name: value for name, value in content.items()}
