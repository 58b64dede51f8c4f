from collections.abc import Callable

import pytest
import torch
from torch_geometric.data import HeteroData

from mrdib_graph.errors import DataError
from mrdib_graph.evaluation.split_matrices import of_items, split_matrices, union

GraphOf = Callable[..., HeteroData]


def test_one_matrix_for_each_split(graph_of: GraphOf) -> None:
    edges, label = torch.tensor([[0, 0, 1, 1], [2, 0, 1, 2]]), torch.tensor([0, 1, 0, 2])
    matrices = split_matrices(graph_of(edges, label, 2, 3))
    assert matrices["train"].dense().tolist() == [[0, 0, 1], [0, 1, 0]]
    assert matrices["val"].dense().tolist() == [[1, 0, 0], [0, 0, 0]]
    assert matrices["test"].dense().tolist() == [[0, 0, 0], [0, 0, 1]]


def test_pairs_of_some_items(random_graph: GraphOf) -> None:
    matrix = split_matrices(random_graph(2))["test"]
    items = torch.arange(30) % 3 == 0
    assert torch.equal(of_items(matrix, items).dense(), matrix.dense() * items)
    assert of_items(matrix, torch.zeros(30, dtype=torch.bool)).shape == (20, 30)


def test_union(random_graph: GraphOf) -> None:
    matrices = split_matrices(random_graph(1))
    both = union((20, 30), matrices["train"], matrices["val"])
    assert torch.equal(both.dense(), matrices["train"].dense() + matrices["val"].dense())
    assert union((20, 30)).nnz == 0


@pytest.mark.parametrize("label", [[0, 0, 1], [0, 2, 1], [1, 1, 0]])
def test_refuses_repeated_pairs(graph_of: GraphOf, label: list[int]) -> None:
    edges = torch.tensor([[0, 0, 1], [2, 2, 1]])
    with pytest.raises(DataError, match="1 user-item pairs occur twice"):
        split_matrices(graph_of(edges, torch.tensor(label), 2, 3))
