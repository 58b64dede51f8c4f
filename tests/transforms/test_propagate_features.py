"""Filled features against dense loops and against the limit of the iteration."""

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from mrdib_graph import graph
from mrdib_graph.errors import ConfigError, DataError
from mrdib_graph.testing import tiny_data
from mrdib_graph.transforms import MaskFeatures, PropagateFeatures, propagate_features


def two_hops(data):
    """Edge by edge, from the written rule: sum over shared users of 1 / (n_u sqrt(n_i n_j))."""
    users, items = graph.num_users(data), graph.num_items(data)
    history = [set() for _ in range(users)]
    takers = [0] * items
    for user, item in graph.interactions(data, "train").t().tolist():
        history[user].add(item)
        takers[item] += 1
    a = torch.zeros(items, items, dtype=torch.float64)
    for of_user in history:
        for i in of_user:
            for j in of_user:
                a[i, j] += 1 / len(of_user) / (takers[i] * takers[j]) ** 0.5
    return a


def nearest(data, modalities, k):
    """The undirected union of kNN lists, pair by pair, and normalised."""
    items = graph.num_items(data)
    a = torch.zeros(items, items, dtype=torch.float64)
    for modality in modalities:
        x, mask = graph.item_features(data, modality)
        x = torch.nn.functional.normalize(x.double(), dim=1)
        near = torch.zeros(items, items, dtype=torch.bool)
        for i in mask.nonzero().squeeze(1).tolist():
            others = [j for j in mask.nonzero().squeeze(1).tolist() if j != i]
            others.sort(key=lambda j, i=i, x=x: (-round(float(x[i] @ x[j]) * 2**20), j))
            near[i, others[:k]] = True
        a += (near | near.t()).double()
    degree = a.sum(1)
    scale = torch.where(degree > 0, degree.clamp(min=1e-9).rsqrt(), 0.0)
    return scale[:, None] * a * scale


def loop(a, x, known, steps):
    rows = torch.where(known[:, None], x.double(), 0.0)
    start = rows.clone()
    for _ in range(steps):
        rows = a @ rows
        rows[known] = start[known]
    return rows


@pytest.fixture
def data():
    return MaskFeatures(0.5, seed=2)(tiny_data(missing=0, zero_row=False))


@pytest.mark.parametrize("neighbors", ["interactions", "knn"])
@pytest.mark.parametrize("steps", [1, 2, 40])
def test_equals_a_dense_loop(data, neighbors, steps):
    filled = PropagateFeatures(neighbors, steps, k=3)(data)
    graph.validate(filled)
    for modality, others in (("image", ["text"]), ("text", ["image"])):
        a = two_hops(data) if neighbors == "interactions" else nearest(data, others, 3)
        x, known = graph.item_features(data, modality)
        expected = loop(a, x, known, steps)
        new, has = graph.item_features(filled, modality)
        torch.testing.assert_close(new.double(), expected, atol=1e-5, rtol=1e-4)
        reached = known | (loop(a, known[:, None].double(), known, steps)[:, 0] > 0)
        assert torch.equal(has, reached) and int(reached.sum()) > int(known.sum())
        assert torch.equal(new[known], x[known])


def test_the_limit_solves_the_linear_system(data):
    """Missing rows at rest: (I - A_uu) x_u = A_uk x_k."""
    filled = PropagateFeatures(num_iterations=3000)(data)
    a = two_hops(data)
    x, known = graph.item_features(data, "text")
    missing = ~known & (a.diagonal() > 0)
    inner = torch.eye(int(missing.sum()), dtype=torch.float64) - a[missing][:, missing]
    expected = torch.linalg.solve(inner, a[missing][:, known] @ x[known].double())
    found = graph.item_features(filled, "text")[0][missing]
    torch.testing.assert_close(found.double(), expected, atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize("neighbors", ["interactions", "knn"])
def test_what_is_missing_and_what_is_held_out_is_never_read(neighbors):
    data, other = tiny_data(missing=0), tiny_data(missing=0)
    lost = ~graph.item_features(MaskFeatures(0.5, 2, ["text"])(data), "text")[1]
    node, item = other["text", "describes", "item"].edge_index
    other["text"].x = other["text"].x.clone()
    other["text"].x[node[lost[item]]] = 1e6
    store = other[graph.INTERACTS]
    swap = store.test_mask.clone()  # held-out pairs become others
    store.edge_index = store.edge_index.clone()
    store.edge_index[1, swap] = 39
    one, two = (
        graph.item_features(PropagateFeatures(neighbors)(MaskFeatures(0.5, 2, ["text"])(d)), "text")
        for d in (data, other)
    )
    assert torch.equal(one[0], two[0]) and torch.equal(one[1], two[1])


def test_an_item_without_training_rows_is_filled_by_its_neighbours_in_content_alone():
    data = MaskFeatures(0.5, 2)(tiny_data(missing=0))
    relation = data["text", "describes", "item"]
    idle = 39  # the last item has no interaction; it keeps its image and has no text
    relation.edge_index = relation.edge_index[:, relation.edge_index[1] != idle]
    image = data["image", "describes", "item"]
    if idle not in image.edge_index[1].tolist():
        image.edge_index = torch.cat([image.edge_index, torch.tensor([[0], [idle]])], dim=1)
    by_users, by_content = (PropagateFeatures(n)(data) for n in ("interactions", "knn"))
    assert not graph.item_features(by_users, "text")[1][idle]
    x, mask = graph.item_features(by_content, "text")
    assert mask[idle] and x[idle].any()


def test_columns_in_blocks_give_the_same(data, monkeypatch):
    whole = PropagateFeatures()(data)
    monkeypatch.setattr(propagate_features, "BLOCK_VALUES", 100)  # two columns at a time
    for modality in ("image", "text"):
        assert torch.equal(PropagateFeatures()(data)[modality].x, whole[modality].x)


def test_a_complete_modality_and_the_graph_that_was_given_stay():
    data = tiny_data(missing=0)
    filled = PropagateFeatures()(data)
    assert filled["text"].x is data["text"].x
    masked = MaskFeatures(0.5)(data)
    edges = masked["text", "describes", "item"].edge_index.clone()
    made = PropagateFeatures("knn", 7, k=4)(masked)
    assert torch.equal(masked["text", "describes", "item"].edge_index, edges)
    assert made.feature_propagation.startswith(
        "PropagateFeatures('knn', num_iterations=7, k=4), items filled: image "
    )


class Largest(TorchDispatchMode):
    """The most values that one tensor had."""

    def __init__(self):
        super().__init__()
        self.most = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        for tensor in out if isinstance(out, tuple | list) else (out,):
            if isinstance(tensor, torch.Tensor) and tensor.layout == torch.strided:
                self.most = max(self.most, tensor.numel())
        return out


def test_no_item_by_item_table():
    data = MaskFeatures(0.5)(tiny_data(num_users=20, num_items=1500))
    with Largest() as seen:
        PropagateFeatures()(data)
    assert 1500 * 12 <= seen.most < 1500**2 / 50


def test_refuses():
    with pytest.raises(ConfigError, match="neighbors: got 'users'"):
        PropagateFeatures("users")
    with pytest.raises(ConfigError, match="num_iterations: got 0"):
        PropagateFeatures(num_iterations=0)
    with pytest.raises(ConfigError, match="k: got 0"):
        PropagateFeatures("knn", k=0)
    with pytest.raises(ConfigError, match="'knn' reads the other modalities"):
        PropagateFeatures("knn")(tiny_data(modalities=("text",)))
    data = MaskFeatures(0.5)(tiny_data())
    del data[graph.INTERACTS].train_mask
    with pytest.raises(DataError, match="no 'train_mask'"):
        PropagateFeatures()(data)
