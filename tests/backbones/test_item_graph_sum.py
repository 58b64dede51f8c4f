"""The weighted sum of frozen item graphs against dense matrices."""

from collections.abc import Mapping

import pytest
import torch

from mrdib_graph import graph
from mrdib_graph.backbones.item_graph_sum import ItemGraphSum, shares
from mrdib_graph.errors import ConfigError
from mrdib_graph.testing import tiny_data
from mrdib_graph.transforms import ItemKNNGraph


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("weights", [None, {"image": 1.0, "text": 9.0}, {"image": 0, "text": 1}])
def test_equals_the_dense_sum(weights: Mapping[str, float] | None, layers: int) -> None:
    data = ItemKNNGraph(4, "bin_sym")(tiny_data())
    image, text = (graph.item_graph(data, m, "bin_sym").dense() for m in ("image", "text"))
    of_image, of_text = (0.5, 0.5) if weights is None else (weights["image"], weights["text"])
    total = (of_image * image + of_text * text) / (of_image + of_text)
    x = torch.randn(40, 6)
    found = ItemGraphSum(["image", "text"], weights, 4, layers)(data, x)
    torch.testing.assert_close(found, torch.linalg.matrix_power(total, layers) @ x)


def test_shares_sum_to_one_in_the_order_of_the_modalities() -> None:
    assert shares({"text": 9, "image": 1}, ["image", "text"]) == {"image": 0.1, "text": 0.9}
    assert list(shares({"text": 9, "image": 1}, ["image", "text"])) == ["image", "text"]
    assert shares(None, ["a", "b", "c", "d"]) == dict.fromkeys("abcd", 0.25)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (
            {"image": 1.0, "audio": 1.0},
            "got image, audio, expected one for each",
        ),
        ({"image": 1.0}, "modality_weights'?: got image, expected one for each of image, text"),
        ({"image": 1.0, "text": -1.0}, "expected 0 or more and one above 0"),
        ({"image": 0.0, "text": 0.0}, "expected 0 or more and one above 0"),
    ],
)
def test_weights_that_do_not_fit(weights: dict[str, float], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        ItemGraphSum(["image", "text"], weights)


def test_numbers() -> None:
    with pytest.raises(ConfigError, match="k'?: got 0, expected a whole number, 1 or more"):
        ItemGraphSum(["image"], k=0)
    with pytest.raises(
        ConfigError, match="num_item_layers'?: got 0, expected a whole number, 1 or more"
    ):
        ItemGraphSum(["image"], num_item_layers=0)
