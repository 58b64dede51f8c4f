import pytest
import torch
from torch_geometric.data import HeteroData

from mrdib_graph import graph
from mrdib_graph.errors import ConfigError, DataError
from mrdib_graph.information.held_out_choices import held_out_choices


def history(data):
    users, items = graph.interactions(data, "train").tolist()
    return set(zip(users, items, strict=True))


def test_rows_are_the_held_out_interactions(data, rows):
    wanted = torch.cat([graph.interactions(data, s) for s in ("val", "test")], 1)
    found = set(zip(rows.user.tolist(), rows.item.tolist(), strict=True))
    assert found == set(zip(*wanted.tolist(), strict=True))
    assert rows.user.numel() == wanted.size(1)


def test_a_user_is_in_one_fold_and_folds_ascend(rows):
    assert bool((rows.fold.diff() >= 0).all())
    users, at = rows.users
    assert users.unique().numel() == users.numel()
    for f in range(5):
        assert set(rows.user[rows.fold == f].tolist()).isdisjoint(
            rows.user[rows.fold != f].tolist()
        )
    sizes = torch.bincount(rows.fold[torch.cat([torch.tensor([True]), at.diff() > 0])])
    assert int(sizes.max() - sizes.min()) <= 1


def test_no_candidate_is_a_training_item(data, rows):
    known = history(data)
    for user, items in zip(rows.user.tolist(), rows.candidates.tolist(), strict=True):
        assert not any((user, item) in known for item in items)


def test_popularity_counts_training_rows_plus_one(data, rows):
    count = torch.bincount(graph.interactions(data, "train")[1], minlength=300) + 1
    assert torch.allclose(rows.popularity, count.double() / count.sum())


def test_candidates_follow_popularity(data):
    many = held_out_choices(data, "val+test", 5, 200, 20_000, 1)
    expected = torch.zeros(300).double()
    for user in many.user.tolist():
        q = many.popularity.clone()
        q[many.train_item[many.train_ptr[user] : many.train_ptr[user + 1]]] = 0
        expected += q / q.sum()
    share = torch.bincount(many.candidates.flatten(), minlength=300).double()
    share = share / share.sum()
    assert torch.allclose(share, expected / expected.sum(), atol=5e-4)


def test_training_items_of_users(data, rows):
    users = torch.tensor([5, 0, 17])
    at, item = rows.training_items(users)
    found = {(int(users[a]), int(i)) for a, i in zip(at, item, strict=True)}
    assert found == {(u, i) for u, i in history(data) if u in users.tolist()}


def test_one_seed_one_result(data, rows):
    again = held_out_choices(data, "val+test", 5, 16, 20_000, 0)
    other = held_out_choices(data, "val+test", 5, 16, 20_000, 1)
    assert torch.equal(again.candidates, rows.candidates) and torch.equal(again.fold, rows.fold)
    assert not torch.equal(other.candidates, rows.candidates)


def test_large_splits_are_subsampled(data, rows):
    few = held_out_choices(data, "val+test", 5, 16, 600, 0)
    assert few.user.numel() == 600
    whole = set(zip(rows.user.tolist(), rows.item.tolist(), strict=True))
    assert set(zip(few.user.tolist(), few.item.tolist(), strict=True)) <= whole


def nearly_all(items=20, users=600):
    """Users who have all items but two in training; one of the two is held out."""
    data = HeteroData()
    data["user"].num_nodes, data["item"].num_nodes = users, items
    user = torch.arange(users).repeat_interleave(items - 1)
    item = (torch.arange(items - 1).repeat(users) + user) % items
    last = torch.arange(items - 1).repeat(users) == items - 2
    store = data["user", "interacts", "item"]
    store.edge_index = torch.stack([user, item])
    store.train_mask, store.test_mask = ~last, last
    store.val_mask = torch.zeros_like(last)
    return data


def test_users_with_nearly_the_whole_catalogue():
    data = nearly_all()
    rows = held_out_choices(data, "test", 2, 3, 20_000, 0)
    known = history(data)
    for user, items in zip(rows.user.tolist(), rows.candidates.tolist(), strict=True):
        assert not any((user, item) in known for item in items)


def test_refusals(data):
    with pytest.raises(ConfigError, match="split: got 'train', expected test, val or val"):
        held_out_choices(data, "train", 5, 16, 20_000, 0)
    with pytest.raises(DataError, match="has 400 interactions, expected at least 500"):
        held_out_choices(nearly_all(users=400), "test", 5, 16, 20_000, 0)
    with pytest.raises(DataError, match="the val split has 0 interactions"):
        held_out_choices(nearly_all(), "val", 5, 16, 20_000, 0)
    with pytest.raises(DataError, match="600 users have held-out interactions, expected at least"):
        held_out_choices(nearly_all(), "test", 601, 16, 20_000, 0)
