"""The awkward cases that the small graph promises."""

import pytest
import torch

from mrdib_graph import graph
from mrdib_graph.errors import ConfigError
from mrdib_graph.testing import tiny_data


@pytest.mark.parametrize("modalities", [(), ("image",), ("image", "text", "audio", "video")])
def test_follows_the_schema(modalities: tuple[str, ...]) -> None:
    data = tiny_data(modalities=modalities)
    graph.validate(data)
    assert graph.modalities(data) == list(modalities)
    assert [data[m].x.size(1) for m in modalities] == [12, 7, 5, 12][: len(modalities)]
    for split in graph.SPLITS:
        assert graph.interactions(data, split).size(1) > 0  # type: ignore[arg-type]


def test_awkward_cases() -> None:
    data = tiny_data(missing=2)
    user, item = graph.interactions(data)
    assert 29 not in user and 39 not in item
    image, has_image = graph.item_features(data, "image")
    text, has_text = graph.item_features(data, "text")
    assert torch.equal(image[0], image[1]) and torch.equal(text[0], text[1])
    assert not image[2].any() and text[2].any()
    assert has_image.all() and (~has_text).nonzero().flatten().tolist() == [3, 4]
    nodes = data["image", "describes", "item"].edge_index[1]
    assert not torch.equal(nodes, torch.arange(40))


def test_each_case_can_be_left_out() -> None:
    data = tiny_data(missing=0, duplicate_rows=False, zero_row=False, idle=False)
    image, _ = graph.item_features(data, "image")
    assert graph.item_features(data, "text")[1].all()
    assert not torch.equal(image[0], image[1]) and image[2].any()
    assert 29 in graph.interactions(data)[0]


def test_every_other_user_has_training_validation_and_test_pairs() -> None:
    data = tiny_data(50, 60, seed=3)
    counts = [
        graph.interactions(data, split)[0].bincount(minlength=50)  # type: ignore[arg-type]
        for split in graph.SPLITS
    ]
    assert counts[0][:49].min() >= 4
    assert counts[1][:49].tolist() == counts[2][:49].tolist() == [1] * 49


def test_seed() -> None:
    one, two, three = tiny_data(seed=1), tiny_data(seed=1), tiny_data(seed=2)
    for data, same in ((two, True), (three, False)):
        assert torch.equal(one["image"].x, data["image"].x) == same
        edges = [d["user", "interacts", "item"].edge_index for d in (one, data)]
        assert torch.equal(*edges) == same


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_users": 2}, "num_users: got 2, expected 3 or more"),
        ({"num_items": 11}, "num_items: got 11, expected 12 or more"),
        ({"missing": 37}, "missing: got 37, expected 0 to 36"),
    ],
)
def test_sizes_that_are_too_small(options: dict[str, int], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        tiny_data(**options)  # type: ignore[arg-type]
