"""The edgewise maximum of kNN item graphs, against a loop over all pairs."""

from typing import Any

import pytest
import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from mrdib_graph import graph
from mrdib_graph.errors import ConfigError, DataError
from mrdib_graph.testing import tiny_data
from mrdib_graph.transforms import MaxItemGraph

K = {"image": 25, "text": 30, "audio": 28}


def by_pairs(graphs: list[Tensor]) -> Tensor:
    """The largest stored weight of each pair; a pair that no graph has weighs 0."""
    out = torch.zeros_like(graphs[0])
    for i in range(out.size(0)):
        for j in range(out.size(1)):
            stored = [g[i, j] for g in graphs if g[i, j] != 0]
            out[i, j] = max(stored, default=torch.tensor(0.0))
    return out


@pytest.mark.parametrize("names", [("image",), ("image", "text"), ("image", "text", "audio")])
def test_equals_a_loop_over_pairs(names: tuple[str, ...]) -> None:
    made = MaxItemGraph(K)
    data = made(tiny_data(modalities=names))
    graphs = [graph.item_graph(data, m).dense() for m in names]
    dense = made.matrix(data).dense()
    assert torch.equal(dense, by_pairs(graphs))
    assert bool(torch.stack(graphs).min() < 0)  # negative weights are among the cases
    assert int((dense != 0).sum()) == made.matrix(data).nnz


def test_a_negative_weight_that_one_graph_alone_has_stays() -> None:
    data = HeteroData()
    data["user"].num_nodes, data["item"].num_nodes = 1, 3
    x = {
        "image": [[1.0, 0.0], [-1.0, 2.0], [-1.0, 2.1]],
        "text": [[1.0, 0.0], [1.0, 0.1], [0.0, 1.0]],
    }
    for m, rows in x.items():
        data[m].x = torch.tensor(rows)
        data[m, "describes", "item"].edge_index = torch.arange(3).repeat(2, 1)
    made = MaxItemGraph({"image": 2, "text": 1})
    data = made(data)
    image, text = (graph.item_graph(data, m).dense() for m in x)
    assert image[0, 2] < 0 and text[0, 2] == 0
    assert made.matrix(data).dense()[0, 2] == image[0, 2]
    torch.testing.assert_close(text, torch.eye(3))


def test_one_modality_is_its_own_graph() -> None:
    made = MaxItemGraph(4, modalities=("text",))
    data = made(tiny_data())
    assert torch.equal(made.matrix(data).dense(), graph.item_graph(data, "text").dense())
    assert not graph.has_operator(data, "item_image_cos_sym")


def test_an_item_that_lacks_a_modality_has_the_edges_of_the_others() -> None:
    made = MaxItemGraph(5)
    data = made(tiny_data(missing=3, zero_row=False))
    dense, image = made.matrix(data).dense(), graph.item_graph(data, "image").dense()
    assert torch.equal(dense[3:6], image[3:6])
    assert bool(dense[3:6].any(1).all())


@pytest.mark.parametrize(
    "other", [{"k": {"image": 6, "text": 3}}, {"k": 3}, {"k": 3, "kind": "bin_sym"}]
)
def test_other_options_do_not_read_this_graph(other: dict[str, Any]) -> None:
    made, changed = MaxItemGraph({"image": 3, "text": 6}), MaxItemGraph(**other)
    data = made(tiny_data())
    first = made.matrix(data)
    with pytest.raises(DataError, match="no operator 'item_max_image_"):
        changed.matrix(data)
    both = changed(data)
    alone = changed(tiny_data())
    assert torch.equal(changed.matrix(both).dense(), changed.matrix(alone).dense())
    assert not torch.equal(changed.matrix(both).dense(), first.dense())
    again = made(both)
    assert made.matrix(again) is first  # not built twice
    for m, k in (("image", 3), ("text", 6)):
        assert graph.item_graph(again, m).nnz == k * 40  # and the kNN graphs are of its own k


def test_errors_and_repr() -> None:
    assert repr(MaxItemGraph(3, "bin_sym")) == "MaxItemGraph(k=3, kind='bin_sym')"
    with pytest.raises(ConfigError, match="k: got a number for image, expected one for 'text'"):
        MaxItemGraph({"image": 3})(tiny_data())
    with pytest.raises(ConfigError, match="kind: got 'max'"):
        MaxItemGraph(3, "max")  # type: ignore[arg-type]
    missing = MaxItemGraph(3, modalities=("text", "video"))
    with pytest.raises(DataError, match="modality 'video' is not in the graph"):
        missing(tiny_data())
