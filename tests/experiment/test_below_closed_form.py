"""Trained arms that end below a closed form."""

import dataclasses

import torch

from mrdib_graph.experiment import ArmResult, SeedResult
from mrdib_graph.experiment.below_closed_form import (
    BelowClosedForm,
    below_closed_form,
    best_closed_form,
)


def arm(backbone: str, name: str, *levels: float) -> ArmResult:
    seeds = [
        SeedResult(i, 0, 1, 1.0, 1.0, {"recall@20": 0.9}, {"recall@20": x}, torch.empty(0), {})
        for i, x in enumerate(levels)
    ]
    return ArmResult(backbone, name, seeds)


EASE, BOTH = arm("ease", "closed-form", 0.14), arm("ease+content", "closed-form", 0.184)
BARE, GOOD = arm("vbpr", "bare", 0.150, 0.168), arm("vbpr", "mrdib", 0.17, 0.21)


def test_the_arms_below_the_best_closed_form() -> None:
    assert best_closed_form([EASE, BOTH, GOOD], "recall@20") is BOTH
    [found] = below_closed_form([EASE, BOTH, BARE, GOOD], "recall@20")
    assert found == BelowClosedForm("vbpr", "bare", "ease+content", "recall@20", 0.159, 0.184)
    assert found.sentence == (
        "vbpr bare ends below ease+content (recall@20 .1590 against .1840): its numbers say "
        "nothing about a recommender that is trained well."
    )
    assert list(dataclasses.asdict(found))[:3] == ["backbone", "arm", "closed_form"]


def test_equal_is_not_below_and_without_closed_forms_nothing_is() -> None:
    assert below_closed_form([BOTH, arm("vbpr", "bare", 0.184)], "recall@20") == []
    assert below_closed_form([BARE], "recall@20") == []
    assert below_closed_form([EASE, BOTH], "recall@20") == []
    assert best_closed_form([BARE], "recall@20") is None
