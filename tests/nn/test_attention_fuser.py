"""Attention over modalities."""

import torch

from mrdib_graph.nn import AttentionFuser


def test_formula_row_by_row() -> None:
    layer, e = AttentionFuser(3), torch.randn(5, 4, 3)
    common, weights = layer(e)
    for row in range(5):
        hidden = torch.tanh(e[row] @ layer.hidden.weight.T + layer.hidden.bias)
        scores = torch.exp(hidden @ layer.score.weight[0])
        torch.testing.assert_close(weights[row], scores / scores.sum())
        torch.testing.assert_close(common[row], (weights[row, :, None] * e[row]).sum(0))


def test_equal_modalities_are_what_they_have_in_common() -> None:
    e = torch.randn(5, 1, 3).expand(5, 2, 3)
    common, weights = AttentionFuser(3)(e)
    torch.testing.assert_close(common, e[:, 0])
    torch.testing.assert_close(weights, torch.full((5, 2), 0.5))


def test_without_weights_attention_is_even() -> None:
    layer = AttentionFuser(3)
    torch.nn.init.zeros_(layer.score.weight)
    torch.testing.assert_close(layer(torch.randn(5, 4, 3))[1], torch.full((5, 4), 0.25))
