"""User rows for modalities that describe items only."""

import pytest
import torch

from mrdib_graph import graph
from mrdib_graph.backbones.modality_users import ModalityUsers
from mrdib_graph.errors import ConfigError
from mrdib_graph.testing import tiny_data


def test_mean_of_the_history_by_a_loop() -> None:
    users, data = ModalityUsers("mean", 30, ["image"], 4), tiny_data()
    for transform in users.graphs:
        data = transform(data)
    items = torch.randn(40, 4)
    rows = users(data, {"image": items})["image"]
    user, item = graph.interactions(data, "train")
    for row in range(29):
        torch.testing.assert_close(rows[row], items[item[user == row]].mean(0))
    assert not bool(rows[29].any())
    assert not list(users.parameters())


def test_vectors_are_learned_and_fused_has_none() -> None:
    data, items = tiny_data(), {"image": torch.randn(40, 4)}
    vectors = ModalityUsers("vector", 30, ["image"], 4)
    assert vectors.graphs == () and vectors(data, items)["image"].requires_grad
    fused = ModalityUsers("fused", 30, ["image"], 4)
    assert fused.graphs == () and fused(data, items) == {}


def test_unknown_kind() -> None:
    with pytest.raises(ConfigError, match="kind: got 'max', expected fused, mean or vector"):
        ModalityUsers("max", 30, ["image"], 4)  # type: ignore[arg-type]
