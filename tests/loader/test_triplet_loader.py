import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare
from torch_geometric.data import HeteroData

from mrdib_graph import graph
from mrdib_graph.errors import ConfigError, DataError
from mrdib_graph.loader import TripletLoader
from mrdib_graph.typing import Triplets


def build(train, num_users, num_items, held_out=()):
    data = HeteroData()
    data["user"].num_nodes, data["item"].num_nodes = num_users, num_items
    store = data[graph.INTERACTS]
    pairs = [*train, *held_out]
    store.edge_index = torch.tensor(pairs, dtype=torch.int64).view(-1, 2).t().contiguous()
    store.train_mask = torch.arange(len(pairs)) < len(train)
    store.val_mask = ~store.train_mask
    store.test_mask = torch.zeros(len(pairs), dtype=torch.bool)
    return data


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def joined(batches):
    columns = zip(*((b.user, b.pos_item, b.neg_item) for b in batches), strict=True)
    return Triplets(*(torch.cat(column) for column in columns))


@st.composite
def graphs(draw):
    """Training pairs without a user who has every item of the training split."""
    num_users, num_items = draw(st.integers(1, 8)), draw(st.integers(2, 9))
    every = [(u, i) for u in range(num_users) for i in range(num_items)]
    train = draw(st.lists(st.sampled_from(every), min_size=1, unique=True))
    full = {0}
    while train and full:  # removing a user can take items away, so that another one has them all
        present = len({i for _, i in train})
        full = {u for u, _ in train if sum(v == u for v, _ in train) == present}
        train = [(u, i) for u, i in train if u not in full]
    held_out = [pair for pair in every if pair not in train][: draw(st.integers(0, 5))]
    return train, held_out, num_users, num_items


@settings(max_examples=150, deadline=None)
@given(graphs(), st.integers(1, 12), st.integers(1, 4), st.integers(0, 2**31), st.integers(0, 5))
def test_one_pass_has_every_interaction_once_and_negatives_outside_the_history(
    drawn, batch_size, num_negatives, seed, skip
):
    train, held_out, num_users, num_items = drawn
    assume(train)
    data = build(train, num_users, num_items, held_out)
    loader = TripletLoader(data, batch_size, num_negatives, seeded(seed))
    batches = list(loader)
    sizes = [batch.user.numel() for batch in batches]
    assert len(batches) == len(loader)
    assert all(size == batch_size for size in sizes[:-1])
    assert sizes[-1] == (len(train) - 1) % batch_size + 1
    user, item, negative = joined(batches)[:3]
    assert sorted(zip(user.tolist(), item.tolist(), strict=True)) == sorted(train)
    assert negative.shape == (len(train), num_negatives)
    known, present = set(train), {i for _, i in train}
    for u, drawn_items in zip(user.tolist(), negative.tolist(), strict=True):
        assert all((u, j) not in known and j in present for j in drawn_items)

    again = TripletLoader(data, batch_size, num_negatives, seeded(seed))
    rest = list(again.epoch(skip))
    assert len(rest) == max(0, len(batches) - skip)
    for left, right in zip(rest, batches[skip:], strict=True):
        assert all(torch.equal(a, b) for a, b in zip(left[:3], right[:3], strict=True))


def test_held_out_pairs_are_neither_positives_nor_history():
    """Whoever samples must not know the held-out pairs: they occur among the negatives."""
    train = [(u, i) for u in range(4) for i in range(3)] + [(4, 3)]
    data = build(train, 5, 5, held_out=[(0, 3), (1, 4)])
    loader = TripletLoader(data, 100, num_negatives=20, generator=seeded())
    user, item, negative = next(iter(loader))[:3]
    pairs = set(zip(user.tolist(), item.tolist(), strict=True))
    assert (0, 3) not in pairs and (1, 4) not in pairs
    assert set(negative[user == 0].flatten().tolist()) == {3}
    assert 4 not in negative, "item 4 occurs in no training row"


def test_negatives_are_uniform_over_the_items_left():
    train = [(0, 0), (0, 7)] + [(1, i) for i in range(1, 10)] + [(2, 5)]
    loader = TripletLoader(build(train, 3, 12), generator=seeded(1), num_negatives=3)
    for user, left in (
        (0, [1, 2, 3, 4, 5, 6, 8, 9]),
        (1, [0]),
        (2, [0, 1, 2, 3, 4, 6, 7, 8, 9]),
    ):
        drawn = loader.negatives.sample(torch.full((6000,), user), seeded(1))
        counts = drawn.flatten().bincount(minlength=12)
        assert counts.nonzero().squeeze(1).tolist() == left
        assert len(left) == 1 or chisquare(counts[left]).pvalue > 0.001


def test_order_is_uniform_over_the_interactions():
    train = [(u, u) for u in range(6)]
    loader = TripletLoader(build(train, 6, 6), batch_size=1, generator=seeded(2))
    first = torch.stack([next(iter(loader)).user[0] for _ in range(3000)])
    assert chisquare(first.bincount(minlength=6)).pvalue > 0.001


def test_same_seed_same_bits_and_each_epoch_its_own(tiny):
    loaders = [TripletLoader(tiny, 32, 2, seeded(5)) for _ in range(2)]
    for _ in range(3):
        left, right = (joined(loader) for loader in loaders)
        assert all(torch.equal(a, b) for a, b in zip(left[:3], right[:3], strict=True))
    assert not torch.equal(left.user, joined(loaders[0]).user)
    other = joined(TripletLoader(tiny, 32, 2, seeded(6)))
    assert not torch.equal(other.neg_item, joined(TripletLoader(tiny, 32, 2, seeded(5))).neg_item)


def test_state_of_the_generator_at_the_start_is_the_whole_state(tiny):
    loader = TripletLoader(tiny, 50, generator=seeded(3))
    start = loader.generator.get_state()
    whole = list(loader)
    end = loader.generator.get_state()
    loader.generator.set_state(start)
    rest = list(loader.epoch(skip=2))
    assert all(map(torch.equal, joined(rest)[:3], joined(whole[2:])[:3]))
    assert torch.equal(loader.generator.get_state(), end)


def test_default_generator_is_reproducible(tiny):
    left, right = (joined(TripletLoader(tiny, 64)) for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(left[:3], right[:3], strict=True))


def test_a_user_with_every_item_is_named():
    data = build([(0, 0), (1, 0), (1, 1), (1, 2), (2, 2)], 3, 9)
    with pytest.raises(DataError, match="user 1 has all 3 items of the training split"):
        TripletLoader(data)


def test_an_empty_training_split_is_named():
    with pytest.raises(DataError, match="training split is empty"):
        TripletLoader(build([], 2, 2, held_out=[(0, 0)]))


def test_an_unsplit_graph_is_named(tiny):
    del tiny[graph.INTERACTS].train_mask
    with pytest.raises(DataError, match="no 'train_mask'"):
        TripletLoader(tiny)


@pytest.mark.parametrize("options", [{"batch_size": 0}, {"num_negatives": 0}])
def test_sizes_below_one_are_named(tiny, options):
    (name,) = options
    with pytest.raises(ConfigError, match=f"{name}: got 0, expected a whole number, 1 or more"):
        TripletLoader(tiny, **options)
