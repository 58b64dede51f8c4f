"""The alignment of side and behaviour rows, against a loop over the batch."""

import math

import torch
from torch import Tensor

from mrdib_graph.backbones import Step
from mrdib_graph.backbones.multi_view import side_contrast
from mrdib_graph.typing import Fused, Triplets


def slow(a: Tensor, b: Tensor, temperature: float) -> float:
    total = 0.0
    for k in range(a.size(0)):
        scores = [
            math.exp(float(torch.cosine_similarity(a[k], b[l], dim=0)) / temperature)
            for l in range(b.size(0))  # noqa: E741
        ]
        total -= math.log(scores[k] / sum(scores))
    return total / a.size(0)


def step_of(user: dict[str, Tensor], item: dict[str, Tensor]) -> Step:
    size = user["side"].size(0)
    index = torch.arange(size)
    batch = Triplets(index, index, index.unsqueeze(1))
    fused = [Fused(views["side"], views) for views in (user, item)]
    return Step(batch, {}, *fused, index, torch.arange(item["side"].size(0)))


def test_users_and_positives_of_the_batch_with_repeats() -> None:
    generator = torch.Generator().manual_seed(0)
    user, item = (
        {name: torch.randn(n, 3, generator=generator) for name in ("side", "behavior")}
        for n in (4, 12)  # 4 positives, then 2 sampled items each
    )
    for views in (user, item):
        for rows in views.values():
            rows[1] = rows[0]
    expected = sum(slow(v["side"][:4], v["behavior"][:4], 0.5) for v in (user, item))
    value = float(side_contrast(step_of(user, item), 0.5))
    assert abs(value - expected) < 1e-5
    item["side"][4:] += 1.0
    assert float(side_contrast(step_of(user, item), 0.5)) == value


def test_hand_computed_cases() -> None:
    apart, equal = torch.eye(2), torch.ones(2, 2)
    user, item = ({"side": x, "behavior": x} for x in (apart, equal))
    value = float(side_contrast(step_of(user, item), 0.2))
    assert abs(value - (0.006715 + math.log(2))) < 1e-6
