import pytest
import torch
from torch_geometric.data import HeteroData

from mrdib_graph import graph
from mrdib_graph.errors import ConfigError, DataError
from mrdib_graph.features import Features, encode_text


@pytest.fixture
def words() -> Features:
    """Forty texts, of which 3 and 17 are missing."""
    texts: list[str | None] = [f"red thing {i}" if i % 2 else f"blue box {i}" for i in range(40)]
    texts[3], texts[17] = None, ""
    return encode_text(texts, dim=5, cache=False)


def test_table_fills_missing_rows(words: Features) -> None:
    mean, zero = words.table(), words.table("zero")
    assert mean.shape == zero.shape == (40, 5)
    assert torch.equal(mean[words.mask], words.x) and torch.equal(zero[words.mask], words.x)
    torch.testing.assert_close(mean[3], words.x.sum(0) / 38)
    assert not zero[[3, 17]].any()


def test_unknown_fill_is_refused(words: Features) -> None:
    with pytest.raises(ConfigError, match="fill: got 'median'"):
        words.table("median")  # type: ignore[arg-type]


def test_rows_become_feature_nodes(words: Features, tiny: HeteroData) -> None:
    data = words.add_to(tiny, "title")
    graph.validate(data)
    assert graph.modalities(data) == ["image", "text", "title"]
    assert "title" not in tiny.node_types
    x, mask = graph.item_features(data, "title")
    assert torch.equal(mask, words.mask)
    assert torch.equal(x[mask], words.x)


def test_graph_of_another_size_is_refused(tiny: HeteroData) -> None:
    few = encode_text(["a b", "b c", "c d"], dim=2, cache=False)
    with pytest.raises(DataError, match="made for 3 items, and the graph has 40"):
        few.add_to(tiny, "title")


@pytest.mark.parametrize("name", ["text", "user", "item"])
def test_taken_name_is_refused(words: Features, tiny: HeteroData, name: str) -> None:
    with pytest.raises(DataError, match=f"already has nodes '{name}'"):
        words.add_to(tiny, name)
