import pytest
import torch
from torch import Generator
from torch_geometric import typing

from mrdib_graph import graph
from mrdib_graph.backbones import FREEDOM, VBPR, LightGCN
from mrdib_graph.errors import ConfigError, MissingExtraError
from mrdib_graph.loader import NeighborLoader, TripletLoader, check_sampler
from mrdib_graph.testing.tiny_data import tiny_data

needs_sampler = pytest.mark.skipif(
    not (typing.WITH_PYG_LIB or typing.WITH_TORCH_SPARSE),
    reason="sampling needs torch-sparse or pyg-lib (the extra 'sampling')",
)


def make(cls=LightGCN, num_neighbors=(3,), seed=5, num_negatives=2, **options):
    data = tiny_data(120, 160)
    backbone = cls.from_data(data, embedding_dim=8, **options)
    data = backbone.prepare(data)
    generator = Generator().manual_seed(seed)
    loader = NeighborLoader(
        data, lambda: backbone.sampling(data), num_neighbors, 16, num_negatives, generator
    )
    return data, loader


@needs_sampler
def test_the_batches_are_those_of_the_triplet_loader():
    data, loader = make()
    other = TripletLoader(data, 16, 2, Generator().manual_seed(5))
    for _ in range(2):  # epochs
        whole = list(other)
        steps = list(loader.steps(data))
        assert len(steps) == len(whole) == len(loader)
        for (sub, local), batch in zip(steps, whole, strict=True):
            assert torch.equal(sub["user"].n_id[local.user], batch.user)
            assert torch.equal(sub["item"].n_id[local.pos_item], batch.pos_item)
            assert torch.equal(sub["item"].n_id[local.neg_item], batch.neg_item)


@needs_sampler
def test_nodes_of_the_batch_come_first_and_none_twice():
    data, loader = make()
    sub, batch = next(loader.steps(data))
    for node_type, ids in (
        ("user", batch.user),
        ("item", torch.cat([batch.pos_item, batch.neg_item.flatten()])),
    ):
        n_id = sub[node_type].n_id
        count = int(ids.max()) + 1
        assert torch.equal(ids.unique(), torch.arange(count))
        assert torch.equal(n_id[:count], n_id[:count].sort().values)
        assert n_id.unique().numel() == n_id.numel() == sub[node_type].num_nodes


@needs_sampler
def test_sampled_messages_are_edges_of_the_graph_at_most_as_many_as_asked_for():
    data, loader = make(num_neighbors=(3, 2), num_layers=2)
    whole = graph.user_item_graph(data).dense()
    users = graph.num_users(data)
    for sub, _ in list(loader.steps(data))[:3]:
        part = graph.user_item_graph(sub)
        to_whole = torch.cat([sub["user"].n_id, sub["item"].n_id + users])
        row, col = to_whole[part.row], to_whole[part.col]
        assert bool((whole[row, col] > 0).all())
        taken = part.crow.diff()
        assert int(taken.max()) == 3
        degree = (whole[to_whole] > 0).sum(1)
        rescaled = whole[row, col] * (degree / taken.clamp(min=1))[part.row]
        torch.testing.assert_close(part.value, rescaled)


@needs_sampler
def test_what_a_node_receives_is_right_on_average():
    """Means over 40 epochs of 2 messages each, in units of their own standard error."""
    data, loader = make(num_neighbors=(2,), num_layers=1)
    whole = graph.user_item_graph(data)
    x = torch.randn(whole.shape[1], 4, generator=Generator().manual_seed(0))
    users = graph.num_users(data)
    epochs = torch.zeros(40, users, 4)
    for epoch in epochs:
        count = torch.zeros(users, 1)
        for sub, batch in loader.steps(data):
            nodes = torch.cat([sub["user"].n_id, sub["item"].n_id + users])
            first = torch.arange(int(batch.user.max()) + 1)  # those who receive anything
            epoch.index_add_(0, nodes[first], (graph.user_item_graph(sub) @ x[nodes])[first])
            count.index_add_(0, nodes[first], torch.ones(first.numel(), 1))
        epoch.div_(count.clamp(min=1))
    sampled = epochs.std(0) > 1e-6  # not where a user has two items or fewer
    assert sampled.float().mean() > 0.9
    error = epochs.mean(0) - (whole @ x)[:users]
    squares = (error / epochs.std(0) * 40**0.5)[sampled].square()
    assert 0.8 < float(squares.mean()) < 1.3  # 1.05 in expectation; 15 without the shuffling


@needs_sampler
def test_an_epoch_left_in_its_middle_goes_on_with_the_same_subgraphs():
    data, loader = make()
    start = loader.generator.get_state()
    whole = list(loader.steps(data))
    loader.generator.set_state(start)
    torch.randn(7)  # other noise
    rest = list(loader.steps(data, skip=2))
    assert len(rest) == len(whole) - 2
    for (sub, batch), (other, again) in zip(whole[2:], rest, strict=True):
        assert all(map(torch.equal, batch[:3], again[:3]))
        assert torch.equal(sub["item"].n_id, other["item"].n_id)
        matrix, same = graph.user_item_graph(sub), graph.user_item_graph(other)
        assert torch.equal(matrix.col, same.col) and torch.equal(matrix.value, same.value)


@needs_sampler
def test_sampling_leaves_the_generator_of_dropout_alone():
    data, loader = make()
    before = torch.get_rng_state()
    list(loader.steps(data))
    assert torch.equal(torch.get_rng_state(), before)


@needs_sampler
def test_features_are_those_of_the_nodes():
    data, loader = make(VBPR)
    sub, batch = next(loader.steps(data))
    count = int(torch.cat([batch.pos_item, batch.neg_item.flatten()]).max()) + 1
    assert sub["item"].num_nodes == count  # nothing is passed: no other node
    assert sub["user"].num_nodes == int(batch.user.max()) + 1
    for m in ("image", "text"):
        x, mask = graph.item_features(data, m)
        mine, has = graph.item_features(sub, m)
        n_id = sub["item"].n_id
        assert torch.equal(mine, x[n_id]) and torch.equal(has, mask[n_id])
        node, item = sub[graph.describes(m)].edge_index
        assert torch.equal(sub[m].x[node], x[n_id[item]])
    data, loader = make(LightGCN)
    assert graph.item_features(next(loader.steps(data))[0], "image")[0].size(0) == 0


@needs_sampler
def test_the_graph_of_an_epoch_is_sampled():
    data = tiny_data(120, 160)
    backbone = FREEDOM.from_data(data, embedding_dim=8, prune=0.5).train()
    data = backbone.prepare(data)
    loader = NeighborLoader(data, lambda: backbone.sampling(data), (-1,), 16)
    found = []
    for _ in range(2):
        backbone.prepare_epoch(data, loader.generator)
        kept = backbone.sampling(data).messages[0].matrix.dense()
        for sub, _ in loader.steps(data):
            part = graph.user_item_graph(sub)
            nodes = torch.cat([sub["user"].n_id, sub["item"].n_id + graph.num_users(data)])
            torch.testing.assert_close(part.value, kept[nodes[part.row], nodes[part.col]])
        found.append(kept)
    assert not torch.equal(*found)


@pytest.mark.parametrize("wrong", [[], [0], [5, -2]])
def test_fan_outs_are_checked(wrong):
    data = tiny_data()
    with pytest.raises(ConfigError, match="num_neighbors"):
        NeighborLoader(data, LightGCN.from_data(data).sampling, wrong)


def test_without_a_sampler_the_extra_is_named(monkeypatch):
    monkeypatch.setattr(typing, "WITH_PYG_LIB", False)
    monkeypatch.setattr(typing, "WITH_TORCH_SPARSE", False)
    for attempt in (check_sampler, make):
        with pytest.raises(MissingExtraError, match=r"torch-sparse.*mrdib-graph\[sampling\]"):
            attempt()
    monkeypatch.setattr(typing, "WITH_TORCH_SPARSE", True)
    check_sampler()
