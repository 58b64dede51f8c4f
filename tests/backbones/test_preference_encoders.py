"""The encoders and user weights that DualGNN, DRAGON and MENTOR share."""

import pytest
import torch

from mrdib_graph import graph
from mrdib_graph.backbones import DRAGON, MENTOR, DualGNN
from mrdib_graph.backbones.preference_encoders import (
    WEIGHTS,
    CompanionBackbone,
    PreferenceBackbone,
    PreferenceEncoders,
    user_weights,
    weighted,
)
from mrdib_graph.errors import ConfigError
from mrdib_graph.testing import tiny_data
from mrdib_graph.transforms import UserItemGraph


def test_one_gcn_for_each_modality() -> None:
    data = UserItemGraph("sym")(tiny_data())
    encoders = PreferenceEncoders(30, {"image": 12, "text": 7}, 8)
    users, items = encoders(data)
    s = graph.user_item_graph(data, "sym")
    for m in ("image", "text"):
        user, item = encoders.gcn[m](*graph.item_features(data, m), s)
        assert torch.equal(users[m], user) and torch.equal(items[m], item)
    assert not torch.allclose(users["image"], users["text"])


def test_regulariser_by_hand() -> None:
    encoders = PreferenceEncoders(3, {"image": 2, "text": 2}, 2)
    with torch.no_grad():
        encoders.gcn["image"].preference.copy_(torch.tensor([[1.0, 2.0], [3.0, 0.0], [9.0, 9.0]]))
        encoders.gcn["text"].preference.copy_(torch.tensor([[0.0, 2.0], [0.0, 0.0], [9.0, 9.0]]))
    weights = torch.tensor([[1.0, 0.0], [0.5, 0.5], [0.0, 2.0]])
    # users 0, 0, 1: (5 + 5 + 9) / 6 + (4 + 4 + 0) / 6 + 5.5 / 6
    found = encoders.regulariser(torch.tensor([0, 0, 1]), weights)
    torch.testing.assert_close(found, torch.tensor(32.5 / 6))


def test_weights_start_near_equal() -> None:
    torch.manual_seed(0)
    weights = user_weights(19_445, 2).detach()
    torch.testing.assert_close(weights.sum(1), torch.ones(19_445))
    spread = (weights[:, 0] / weights[:, 1]).log()  # of two normals: sqrt(2) times their own
    assert float(spread.std()) == pytest.approx(2**0.5 * (2 / 19_447) ** 0.5, rel=0.02)
    assert 0.47 < float(weights.min()) < float(weights.max()) < 0.53
    assert torch.equal(user_weights(4, 1), torch.ones(4, 1))


def test_weighted_rows() -> None:
    h = {
        "image": torch.tensor([[1.0, 2.0]]),
        "text": torch.tensor([[3.0, 4.0]]),
        WEIGHTS: torch.tensor([[0.25, 2.0]]),
    }
    image, text = weighted(h, ["image", "text"])
    assert image.tolist() == [[0.25, 0.5]] and text.tolist() == [[6.0, 8.0]]


@pytest.mark.parametrize("cls", [DRAGON, DualGNN, MENTOR])
def test_needs_a_modality(cls: type[PreferenceBackbone]) -> None:
    assert issubclass(cls, PreferenceBackbone)
    assert issubclass(cls, CompanionBackbone) == (cls is not MENTOR)
    with pytest.raises(ConfigError, match="no modality"):
        cls(num_users=3, num_items=4, in_channels={})
