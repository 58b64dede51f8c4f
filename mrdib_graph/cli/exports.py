"""What the packages export, read from their source: names and one line each, without torch."""

from __future__ import annotations

import ast
import functools
import re
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal, get_args

from mrdib_graph.resolver import key

Kind = Literal[
    "backbones",
    "arms",
    "estimators",
    "splits",
    "datasets",
    "losses",
    "negatives",
    "baselines",
    "metrics",
]
KINDS: tuple[Kind, ...] = get_args(Kind)

_BASES = {
    "backbones": "Backbone",
    "estimators": "MIEstimator",
    "datasets": "MultimodalDataset",
    "losses": "RankingLoss",
    "negatives": "NegativeSampler",
    "baselines": "Baseline",
    "controls": "Control",
    "metrics": "Metric",
}
_ARMS = {
    "bare": "the backbone alone, which every other arm is compared with",
    "mrdib": "MRdIB with the weights of the settings",
    "paper": "MRdIB as published: MINE and the weights that the paper reports as best",
    "mib": "ablation: the bottleneck alone, with its kl term",
    "no-kl": "ablation: mrdib without the kl term",
    "no-redundancy": "ablation: mrdib without the redundancy term",
    "no-unique": "ablation: mrdib without the unique term",
}
_SPLITS = {
    "random": "a permutation of each user's rows; MMRec's shares",
    "lattice": "a permutation of each user's rows; LATTICE's shares",
    "ratio": "a permutation of each user's rows; 8 : 1 : 1",
    "leave_last_out": "each user's latest row is test, the one before validation",
    "user_time": "8 : 1 : 1 by time within each user",
    "global_time": "the latest rows of all users are held out",
    "cold_items": "whole items are held out",
    "given": "the data set's own labels",
}


@functools.cache
def exported(kind: str) -> dict[str, str]:
    """Names that a flag accepts, and what each is in one line.

    Args:
        kind: One of ``KINDS``, or ``'controls'``.
    """
    if kind == "splits":
        return _SPLITS
    if kind == "arms":
        return _ARMS | exported("controls")
    base = _BASES[kind]
    folder = Path(str(files("mrdib_graph") / kind))
    classes = {
        node.name: node
        for path in folder.rglob("*.py")
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.ClassDef)
    }
    found = {}
    for name in _all(folder / "__init__.py"):
        if name != base and _inherits(name, base, classes) and not _abstract(classes[name]):
            text = first_sentence(ast.get_docstring(classes[name]) or "")
            written = _written(classes[name]) if kind == "baselines" else ""
            found[written or _name(name, kind, base)] = text
    return dict(sorted(found.items()))


def first_sentence(docstring: str) -> str:
    """The title of the paper that a docstring begins with, or its first sentence, on one line."""
    text = " ".join(docstring.partition("\n\n")[0].split())
    if title := re.match(r'`"(.+?)" <', text):
        return title[1]
    text = re.sub(r"\s*<[^>]*>`_+|:\w+:(?=`)|`|\*\*", "", text)
    text = re.sub(r"\\[lr]Vert ?", "|", text).replace("\\,", " ").replace("\\", "")
    return re.split(r"(?<=[^.][^A-Z.])[.:](?:\s(?=[A-Z])|$)", text)[0]


def _name(name: str, kind: str, base: str) -> str:
    if kind in ("controls", "losses", "negatives", "metrics"):  # IDDropout is id-dropout
        if kind in ("losses", "negatives"):
            name = name.removesuffix(re.findall("[A-Z][a-z]+", base)[-1])
        between = "_" if kind == "metrics" else "-"  # HitRate is hit_rate
        words = re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", between, name)
        return words.lower()
    return key(name)


def _abstract(node: ast.ClassDef) -> bool:
    """Whether a class leaves a method to be written."""
    methods = (part for part in node.body if isinstance(part, ast.FunctionDef))
    return any(
        isinstance(mark, ast.Name) and mark.id == "abstractmethod"
        for method in methods
        for mark in method.decorator_list
    )


def _written(node: ast.ClassDef) -> str:
    """The class attribute ``name``, where a baseline has one."""
    for part in node.body:
        if isinstance(part, ast.Assign) and ast.unparse(part.targets[0]) == "name":
            return str(ast.literal_eval(part.value))
    return ""


def _all(path: Path) -> list[str]:
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            names: list[str] = ast.literal_eval(node.value)
            return names
    raise AssertionError(f"{path} has no __all__")


def _inherits(name: str, base: str, classes: dict[str, Any]) -> bool:
    if name == base or name not in classes:
        return name == base
    bases = [ast.unparse(b).partition("[")[0] for b in classes[name].bases]
    return any(_inherits(b, base, classes) for b in bases)
