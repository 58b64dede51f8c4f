"""Ties broken by content, the blocked search and the products on edges."""

import pytest
import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from mrdib_graph import graph
from mrdib_graph.sparse import SparseMatrix
from mrdib_graph.testing import tiny_data
from mrdib_graph.transforms import content_order
from mrdib_graph.transforms.content_order import (
    ABSENT,
    edge_products,
    ordered_items,
    top_columns,
)

CPU = torch.device("cpu")


def renumbered(data: HeteroData, new_number: Tensor) -> HeteroData:
    """The same graph with other numbers for the items."""
    out = data.clone()
    user, item = data[graph.INTERACTS].edge_index
    out[graph.INTERACTS].edge_index = torch.stack([user, new_number[item]])
    for m in graph.modalities(data):
        node, item = data[graph.describes(m)].edge_index
        out[graph.describes(m)].edge_index = torch.stack([node, new_number[item]])
    return out


def test_the_order_goes_with_the_content() -> None:
    data = tiny_data(duplicate_rows=False)
    new_number = torch.randperm(40, generator=torch.Generator().manual_seed(1))
    names = graph.modalities(data)
    one = ordered_items(data, names)
    other = ordered_items(renumbered(data, new_number), names)
    assert torch.equal(new_number[one.order], other.order)
    assert all(map(torch.equal, one.x, other.x)) and all(map(torch.equal, one.masks, other.masks))
    assert one.order.sort().values.tolist() == list(range(40))


def test_rows_are_units_in_that_order_and_equal_items_by_number() -> None:
    data = tiny_data()  # items 0 and 1 have the same features, item 2 a row of zeros, 3 no text
    items = ordered_items(data, ["image", "text"])
    place = items.order.argsort()
    assert place[1] == place[0] + 1
    x, mask = graph.item_features(data, "text")
    torch.testing.assert_close(items.x[1][place[5]], x[5] / x[5].norm())
    assert torch.equal(items.masks[1], mask[items.order]) and not items.masks[1][place[3]]
    assert not items.x[0][place[2]].any()


@pytest.mark.parametrize("block_values", [2**21, 60])
def test_top_columns_is_a_sort(monkeypatch: pytest.MonkeyPatch, block_values: int) -> None:
    monkeypatch.setattr(content_order, "_BLOCK_VALUES", block_values)
    generator = torch.Generator().manual_seed(0)
    values = (torch.rand(30, 17, generator=generator) * 8).round() / 4 - 1  # many ties
    index, present = top_columns(lambda columns: values[:, columns], 30, 17, 5, CPU)
    expected = values.sort(dim=1, descending=True, stable=True).indices[:, :5]
    assert torch.equal(index, expected) and bool(present.all())


def test_top_columns_says_what_is_absent() -> None:
    values = torch.full((2, 9), ABSENT)
    values[0, 3], values[0, 7], values[1, 8] = -1.0, 0.5, 0.0
    index, present = top_columns(lambda columns: values[:, columns], 2, 9, 3, CPU)
    assert present.tolist() == [[True, True, False], [True, False, False]]
    assert index[0, :2].tolist() == [7, 3] and index[1, 0] == 8
    index, _ = top_columns(lambda columns: values[:, columns], 2, 9, 0, CPU)
    assert index.shape == (2, 0)


def test_edge_products() -> None:
    x = torch.randn(6, 4, generator=torch.Generator().manual_seed(0))
    row, col = torch.tensor([0, 0, 4, 2, 5]), torch.tensor([3, 0, 1, 5, 2])
    pattern = SparseMatrix.from_edges(row, col, None, (6, 6))
    torch.testing.assert_close(
        edge_products(x, pattern), torch.stack([x[r] @ x[c] for r, c in pattern.edge_index().T])
    )
    products = edge_products(x, SparseMatrix.from_edges(col, row, None, (6, 6)).t)
    assert torch.equal(products, edge_products(x, pattern))
    assert edge_products(x, SparseMatrix.from_edges(row[:0], col[:0], None, (6, 6))).numel() == 0
