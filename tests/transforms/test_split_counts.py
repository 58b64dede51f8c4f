"""Published counts of the Sports and Clothing splits, which follow from each user's degree."""

from pathlib import Path

import pytest
import torch
from scipy.optimize import linprog
from torch_geometric.data import HeteroData

from mrdib_graph import graph
from mrdib_graph.datasets.folder.interaction_file import read_interactions
from mrdib_graph.features.digests import file_digest as sha256
from mrdib_graph.transforms import SplitInteractions
from mrdib_graph.transforms.split_interactions import RULES


def held_out(rule, n):
    """Validation and test rows of a user with n rows, five or more, from the written rules."""
    if rule in ("ratio", "user_time"):
        val = int(0.1 * n)
        return val, n - int(0.8 * n) - val
    if rule == "leave_last_out":
        return 1, 1
    held = 2 if n < 10 else int(0.2 * n)
    smaller, larger = held // 2, held - held // 2
    return (smaller, larger) if rule == "random" else (larger, smaller)


def labels(data):
    store = data[graph.INTERACTS]
    return sum(v * store[f"{s}_mask"].long() for v, s in enumerate(graph.SPLITS))


PUBLISHED = {  # name: SHA-256 of the public file; training, validation, test rows of the rule
    "sports": (
        "0f75064201c0b5e422dcab735782ba4739cf41fa6003977bd29bddea523afeba",
        [218_409, 40_029, 37_899],
    ),
    "clothing": (
        "5507ad555d59ab8ddb67096f0378c52fb8475f777d2886ecafe5011d9d491e24",
        [197_338, 41_189, 40_150],
    ),
}
SIZES_OF = {"sports": (35_598, 18_357, 296_337), "clothing": (39_387, 23_033, 278_677)}
"""Users, items and rows of the 5-core."""
PUBLIC = Path(__file__).resolve().parents[2] / "../shared/data/lattice_split"


@pytest.mark.shared
@pytest.mark.parametrize("name", PUBLISHED)
def test_counts_on_public_degree_sequences_are_the_published_ones(name):
    path = PUBLIC / f"{name}.inter"
    if not path.is_file():
        pytest.skip(
            f"../shared/data/lattice_split/{name}.inter is absent (log/convert2MMRec of MMHCL's "
            "repository): the published totals alone give no user's degree, so only that some "
            "degree sequence leads to them, and none under another rule, is tested here"
        )
    checksum, published = PUBLISHED[name]
    assert sha256(path) == checksum
    rows = read_interactions(path)
    data = HeteroData()
    data["user"].num_nodes = int(rows.user.max()) + 1
    data["item"].num_nodes = int(rows.item.max()) + 1
    data[graph.INTERACTS].edge_index = torch.stack([rows.user, rows.item])
    for rule, expected_counts in (
        ("lattice", published),
        ("random", [published[0], published[2], published[1]]),
    ):
        label = labels(SplitInteractions(rule)(data))
        assert torch.bincount(label, minlength=3).tolist() == expected_counts
    assert torch.bincount(rows.label, minlength=3).tolist() == published


def degrees_with_totals(name):
    """Degrees of 5 and more whose users, rows and held-out rows are those published.

    A user with fewer than 15 rows holds out two, 15 to 19 three, 20 to 24 four: as many users of
    the second kind as the halves differ by, and of the third as the smaller half has more rows than
    there are users; the others share the rows that are left.
    """
    users, _, rows = SIZES_OF[name]
    _, (_, larger, smaller) = PUBLISHED[name]
    odd, even = larger - smaller, smaller - users
    rest = users - odd - even
    low, more = divmod(rows - 15 * odd - 20 * even, rest)
    assert 5 <= low < 14
    return [15] * odd + [20] * even + [low + 1] * more + [low] * (rest - more)


@pytest.mark.parametrize("name", PUBLISHED)
def test_degrees_that_fit_the_public_totals_give_the_published_counts(name):
    """The rule can give them; whether the public degrees do, the test above says where they are."""
    degrees = torch.tensor(degrees_with_totals(name))
    users, items, rows = SIZES_OF[name]
    assert (degrees.numel(), int(degrees.sum())) == (users, rows)
    data = HeteroData()
    data["user"].num_nodes, data["item"].num_nodes = users, items
    user = torch.arange(users).repeat_interleave(degrees)
    item = torch.arange(rows) - (degrees.cumsum(0) - degrees)[user]
    data[graph.INTERACTS].edge_index = torch.stack([user, item])
    train, val, test = PUBLISHED[name][1]
    for rule, counts in (("lattice", [train, val, test]), ("random", [train, test, val])):
        label = labels(SplitInteractions(rule)(data))
        assert torch.bincount(label, minlength=3).tolist() == counts


@pytest.mark.parametrize("name", PUBLISHED)
@pytest.mark.parametrize("rule", RULES)
def test_no_degrees_at_all_give_the_published_counts_under_another_rule(name, rule):
    """A linear programme over how many users have n rows, n from 5 to all items."""
    users, items, rows = SIZES_OF[name]
    n = range(5, items + 1)
    equal = [[1] * len(n), n, *zip(*(held_out(rule, size) for size in n), strict=True)]
    published = [users, rows, *PUBLISHED[name][1][1:]]
    found = linprog([0] * len(n), A_eq=equal, b_eq=published, method="highs")
    assert found.status == (0 if rule == "lattice" else 2)  # solved, or no solution
