import pytest
import torch
from torch_geometric.data import HeteroData

from mrdib_graph import graph
from mrdib_graph.errors import ConfigError, DataError
from mrdib_graph.transforms import SplitInteractions, UserItemGraph
from mrdib_graph.transforms.split_interactions import BY_TIME, RULES, split_digest

SIZES = [*range(1, 61), 1, 2, 9, 10, 115]


def make(sizes=SIZES, num_items=120, seed=0, time=False):
    """User u has ``sizes[u]`` items; the edges come in random order."""
    generator = torch.Generator().manual_seed(seed)
    pairs = [
        (u, i)
        for u, n in enumerate(sizes)
        for i in torch.randperm(num_items, generator=generator)[:n].tolist()
    ]
    edges = torch.tensor(pairs).t()
    data = HeteroData()
    data["user"].num_nodes, data["item"].num_nodes = len(sizes), num_items
    store = data[graph.INTERACTS]
    store.edge_index = edges[:, torch.randperm(edges.size(1), generator=generator)]
    if time:  # few distinct values, so that ties occur
        store.time = torch.randint(0, 20, (edges.size(1),), generator=generator)
    return data


def expected(rule, n):
    """Training, validation and test rows of a user, in plain Python from the written rules."""
    if rule in ("ratio", "user_time"):
        train, val = int(0.8 * n), int(0.1 * n)
        counts = (train, val, n - train - val)
    elif rule == "leave_last_out":
        counts = (n - 2, 1, 1)
    else:
        held = 2 if n < 10 else int(0.2 * n)
        first, second = held // 2, held - held // 2
        counts = (n - held, first, second) if rule == "random" else (n - held, second, first)
    return counts if counts[0] > 0 else (n, 0, 0)


def labels(data):
    store = data[graph.INTERACTS]
    return sum(v * store[f"{s}_mask"].long() for v, s in enumerate(graph.SPLITS))


def members(data):
    return {s: set(map(tuple, graph.interactions(data, s).t().tolist())) for s in graph.SPLITS}


@pytest.mark.parametrize("rule", RULES)
def test_counts_of_each_user_follow_the_rule(rule):
    data = SplitInteractions(rule)(make(time=True))
    graph.validate(data)
    per_user = [
        torch.bincount(graph.interactions(data, s)[0], minlength=len(SIZES)).tolist()
        for s in graph.SPLITS
    ]
    assert list(zip(*per_user, strict=True)) == [expected(rule, n) for n in SIZES]


@pytest.mark.parametrize("rule", RULES)
def test_integer_arithmetic_equals_the_written_rule_for_large_users(rule):
    n = torch.arange(3, 3000)
    for size in n.tolist()[::7]:
        label = RULES[rule](torch.arange(size), torch.full((size,), size))
        assert tuple(torch.bincount(label, minlength=3).tolist()) == expected(rule, size)


@pytest.mark.parametrize("rule", ["random", "lattice", "ratio"])
def test_seeds(rule):
    one, same, other = (members(SplitInteractions(rule, s)(make())) for s in (4, 4, 5))
    assert one == same != other


@pytest.mark.parametrize("rule", RULES)
def test_the_order_of_the_edges_does_not_matter(rule):
    data, shuffled = make(time=True), make(time=True)
    order = torch.randperm(data[graph.INTERACTS].edge_index.size(1))
    store = shuffled[graph.INTERACTS]
    store.edge_index, store.time = store.edge_index[:, order], store.time[order]
    one, other = SplitInteractions(rule)(data), SplitInteractions(rule)(shuffled)
    assert members(one) == members(other)
    assert one.split_rule == other.split_rule


def test_every_row_of_a_user_is_held_out_equally_often():
    data = make([10] * 400, num_items=10)
    item = data[graph.INTERACTS].edge_index[1]
    total = torch.zeros(10)
    for seed in range(20):
        total += torch.bincount(item[labels(SplitInteractions("random", seed)(data)) == 2])
    # 8,000 draws over ten equal cells: chi-squared with 9 degrees of freedom
    chi2 = ((total - 800) ** 2 / 800).sum()
    assert 1.0 < chi2 < 33.7  # below the 1e-4 quantile of the upper tail, not suspiciously even


def test_users_have_permutations_of_their_own():
    split = labels(SplitInteractions("random")(make([10] * 200, num_items=10)))
    data = make([10] * 200, num_items=10)
    user, item = data[graph.INTERACTS].edge_index
    tested = torch.zeros(200, dtype=torch.long)
    tested[user[split == 2]] = item[split == 2]
    assert torch.unique(tested).numel() == 10


def test_leave_last_out_holds_out_the_latest_rows():
    data = SplitInteractions("leave_last_out")(make(time=True))
    user, item = data[graph.INTERACTS].edge_index
    time, label = data[graph.INTERACTS].time, labels(data)
    for u, n in enumerate(SIZES):
        rows = (user == u).nonzero().squeeze(1).tolist()
        rows.sort(key=lambda r: (int(time[r]), int(item[r])))
        wanted = [0] * (n - 2) + [1, 2] if n > 2 else [0] * n
        assert [int(label[r]) for r in rows] == wanted


def test_user_time_holds_out_the_latest_rows():
    data = SplitInteractions("user_time", seed=9)(make(time=True))
    user, _ = data[graph.INTERACTS].edge_index
    time, label = data[graph.INTERACTS].time, labels(data)
    for u in range(len(SIZES)):
        parts = [time[(user == u) & (label == value)] for value in range(3)]
        for earlier, later in ((0, 1), (1, 2), (0, 2)):
            if parts[earlier].numel() and parts[later].numel():
                assert parts[earlier].max() <= parts[later].min()
    assert "seed" not in data.split_rule


def test_the_lattice_rule_swaps_the_halves_of_the_random_rule():
    """So published counts of one degree sequence differ by a swap, as those of Sports do."""
    counts = {}
    for rule in ("random", "lattice"):
        label = labels(SplitInteractions(rule)(make()))
        counts[rule] = torch.bincount(label, minlength=3).tolist()
    train, val, test = counts["random"]
    assert counts["lattice"] == [train, test, val] and val < test


def test_global_time_and_cold_items_are_recorded_with_their_options():
    data = make(time=True)
    for made, settings in (
        (SplitInteractions("global_time"), "global_time share=0.2"),
        (SplitInteractions("global_time", cuts=(5, 9.5)), "global_time cuts=5,9.5"),
        (SplitInteractions("cold_items", 3, share=0.25), "cold_items seed=3 share=0.25"),
    ):
        out = made(data)
        graph.validate(out)
        assert out.split_rule == f"{settings} sha256={split_digest(out)[:12]}"
        assert repr(made) == f"SplitInteractions({settings})"


@pytest.mark.parametrize("warm_rule", ["random", "ratio", "leave_last_out"])
def test_beside_cold_items_the_others_are_split_user_by_user(warm_rule):
    plain = members(SplitInteractions("cold_items", 3, share=0.25)(make(time=True)))
    made = SplitInteractions("cold_items", 3, share=0.25, warm_rule=warm_rule)
    data = made(make(time=True))
    graph.validate(data)
    both = members(data)
    cold = {item for part in ("val", "test") for _, item in plain[part]}
    for part in ("val", "test"):
        assert {pair for pair in both[part] if pair[1] in cold} == plain[part]
    warm = {part: {p for p in pairs if p[1] not in cold} for part, pairs in both.items()}
    for user in range(len(SIZES)):
        counts = [sum(u == user for u, _ in warm[part]) for part in graph.SPLITS]
        if sum(counts):
            assert tuple(counts) == expected(warm_rule, sum(counts))
    assert made._settings() == f"cold_items seed=3 warm_rule={warm_rule} share=0.25"
    assert data.split_rule.startswith(made._settings())


def test_the_time_of_warm_rows_is_their_own():
    data = SplitInteractions("cold_items", 1, warm_rule="leave_last_out")(make(time=True))
    user, item = data[graph.INTERACTS].edge_index
    time, label = data[graph.INTERACTS].time, labels(data)
    trained = torch.zeros(120, dtype=torch.bool)
    trained[item[label == 0]] = True
    for u in user[(label == 2) & trained[item]].unique().tolist():
        rows = (user == u) & trained[item]
        assert time[rows & (label == 2)].min() >= time[rows & (label == 0)].max()


def test_cold_items_follow_the_seed_and_not_the_edges():
    one, same, other = (members(SplitInteractions("cold_items", s)(make())) for s in (4, 4, 5))
    assert one == same != other
    shuffled = make()
    store = shuffled[graph.INTERACTS]
    store.edge_index = store.edge_index[:, torch.randperm(store.edge_index.size(1))]
    assert members(SplitInteractions("cold_items", 4)(shuffled)) == one


def test_held_out_rows_of_cold_users_stay_held_out_and_are_counted(caplog):
    data = make([10] * 5 + [2], num_items=20)
    store = data[graph.INTERACTS]
    last = store.edge_index[0] == 5  # the last user comes after everybody else
    store.time = torch.arange(store.edge_index.size(1)) + 1000 * last
    data = SplitInteractions("global_time")(data)
    assert bool((labels(data)[last] == 2).all())
    assert "2 test interactions belong to users without a training interaction" in caplog.text
    assert "validation" not in caplog.text


def test_given_keeps_masks_and_needs_them():
    with pytest.raises(DataError, match="split 'given': .*random"):
        SplitInteractions("given")(make())
    data = SplitInteractions("random", 3)(make())
    again = SplitInteractions("given")(data)
    assert members(again) == members(data)
    assert again.split_rule == f"given sha256={split_digest(data)[:12]}"
    del data[graph.INTERACTS].val_mask
    with pytest.raises(DataError, match="given"):
        SplitInteractions("given")(data)


def test_the_record():
    data = make()
    out = SplitInteractions("random", 3)(data)
    assert out.split_rule == f"random seed=3 sha256={split_digest(out)[:12]}"
    assert "split_rule" not in data and "train_mask" not in data[graph.INTERACTS]
    assert split_digest(out) != split_digest(SplitInteractions("random", 4)(data))
    assert "seed" not in SplitInteractions("leave_last_out")(make(time=True)).split_rule


def test_derived_operators_of_the_old_split_are_dropped():
    data = UserItemGraph()(SplitInteractions("random", 0)(make()))
    again = SplitInteractions("random", 1)(data)
    assert graph.has_operator(data, "user_item_sym")
    assert not graph.has_operator(again, "user_item_sym")
    kept = SplitInteractions("given")(data)
    assert graph.has_operator(kept, "user_item_sym")


@pytest.mark.parametrize("rule", BY_TIME)
def test_time_is_needed(rule):
    with pytest.raises(DataError, match=f"{rule}.*timestamp"):
        SplitInteractions(rule)(make())
    data = make(time=True)
    data[graph.INTERACTS].time = data[graph.INTERACTS].time.double()
    data[graph.INTERACTS].time[7] = torch.nan
    with pytest.raises(DataError, match="time of interaction 7 is nan"):
        SplitInteractions(rule)(data)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"rule": "radnom"}, "'radnom'.*did you mean 'random'"),
        ({"seed": -1}, "got -1"),
        ({"share": 0.1}, "share: 'random' takes none; it is for global_time, cold_items"),
        ({"rule": "cold_items", "cuts": (1, 2)}, "cuts: 'cold_items' takes none"),
        ({"warm_rule": "random"}, "warm_rule: got 'random', expected one of random"),
        ({"rule": "cold_items", "warm_rule": "rando"}, "did you mean 'random'"),
        ({"rule": "global_time", "share": 0.0}, "share: got 0.0"),
        ({"rule": "cold_items", "share": 1}, "share: got 1,"),
        ({"rule": "global_time", "share": 0.1, "cuts": (1, 2)}, "no cuts beside it"),
        ({"rule": "global_time", "cuts": (2, 1)}, "got \\(2, 1\\), expected two times"),
        ({"rule": "global_time", "cuts": (1,)}, "expected two times"),
        ({"rule": "global_time", "cuts": (1, float("inf"))}, "expected two times"),
    ],
)
def test_wrong_options(options, message):
    with pytest.raises(ConfigError, match=message):
        SplitInteractions(**options)
