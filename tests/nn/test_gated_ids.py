"""The gate of item IDs."""

import torch

from mrdib_graph.nn import GatedIDs


def test_without_weights_the_gate_is_half_open() -> None:
    layer = GatedIDs(3)
    torch.nn.init.zeros_(layer.gate.weight)
    torch.nn.init.zeros_(layer.gate.bias)
    ids = torch.randn(4, 3)
    torch.testing.assert_close(layer(ids, torch.randn(4, 3)), ids / 2)


def test_formula() -> None:
    layer = GatedIDs(3)
    ids, content = torch.randn(4, 3), torch.randn(4, 3)
    logits = content @ layer.gate.weight.T + layer.gate.bias
    torch.testing.assert_close(layer(ids, content), ids / (1 + torch.exp(-logits)))
