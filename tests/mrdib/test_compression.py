import math

import pytest
import torch

from mrdib_graph.mrdib.compression import divergences, mean_over_nodes, per_interaction
from mrdib_graph.typing import GaussianCode


def test_against_a_loop() -> None:
    generator = torch.Generator().manual_seed(0)
    mean, log_var = torch.randn(2, 5, 3, generator=generator)
    code = GaussianCode(mean, log_var, mean)
    mask = torch.tensor([True, False, True, True, False])
    rows = divergences({"item": {"a": code}, "user": {"a": code}}, "a", {"a": mask})
    slow = [
        sum(0.5 * (m**2 + math.exp(v) - v - 1) for m, v in zip(a, b, strict=True))
        for a, b in zip(mean.tolist(), log_var.tolist(), strict=True)
    ]
    kept = [kl for kl, keep in zip(slow, mask.tolist(), strict=True) if keep]
    assert float(mean_over_nodes(rows)) == pytest.approx(sum(slow + kept) / 8, rel=1e-5)
    found = per_interaction(rows, {"user": 10, "item": 7, "interactions": 50})
    expected = (sum(slow) / 5) * 10 / 50 + (sum(kept) / 3) * 7 / 50
    assert float(found) == pytest.approx(expected, rel=1e-5)
