import math

import pytest
import torch

from mrdib_graph.errors import ConfigError
from mrdib_graph.information.pid import broja, dependency, mutual_information, split


def gate(rule):
    table = torch.zeros(2, 2, 4)
    for a in (0, 1):
        for b in (0, 1):
            table[a, b, rule(a, b)] += 0.25
    return table


def noisy_views(error1, error2):
    table = torch.zeros(2, 2, 2, dtype=torch.float64)
    for a in (0, 1):
        for b in (0, 1):
            for y in (0, 1):
                first = 1 - error1 if a == y else error1
                second = 1 - error2 if b == y else error2
                table[a, b, y] = 0.5 * first * second
    return table


def logistic(rule):
    table = torch.zeros(2, 2, 2, dtype=torch.float64)
    for a in (0, 1):
        for b in (0, 1):
            right = 1 / (1 + math.exp(-rule(2 * a - 1, 2 * b - 1)))
            table[a, b] = torch.tensor([1 - right, right]) / 4
    return table


RDN = torch.zeros(2, 2, 2)
RDN[0, 0, 0] = RDN[1, 1, 1] = 0.5
AND, XOR = gate(lambda a, b: a & b), gate(lambda a, b: a ^ b)
COPY, UNQ = gate(lambda a, b: 2 * a + b), gate(lambda a, _: a)
ADD, MIXED = logistic(lambda a, b: a + b), logistic(lambda a, b: a + 0.5 * b + a * b)


def close(found, expected, tolerance):
    assert found.parts[:4] == pytest.approx(expected, abs=tolerance)
    assert sum(found.parts[:4]) == pytest.approx(found.total, abs=1e-9)


@pytest.mark.parametrize(
    ("table", "expected", "tolerance"),
    [
        (AND, (0.3113, 0, 0, 0.5), 1e-4),
        (XOR, (0, 0, 0, 1), 1e-4),
        (COPY, (0, 1, 1, 0), 1e-4),
        (RDN, (1, 0, 0, 0), 1e-4),
        (UNQ, (0, 1, 0, 0), 1e-4),
        (noisy_views(0.2, 0.2), (0.2781, 0, 0, 0.1825), 1e-3),
        (noisy_views(0.1, 0.3), (0.1187, 0.4123, 0, 0.0435), 1e-3),
        (ADD, (0.1073, 0, 0, 0.1292), 1e-3),
        (MIXED, (0.0225, 0.0797, 0, 0.1480), 1e-3),
    ],
    ids=["and", "xor", "copy", "rdn", "unq", "views .2 .2", "views .1 .3", "add", "mixed"],
)
def test_broja(table, expected, tolerance):
    close(broja(table), expected, tolerance)


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        (AND, (0.0817, 0.2296, 0.2296, 0.2704)),
        (XOR, (0, 0, 0, 1)),
        (COPY, (0, 1, 1, 0)),
        (RDN, (1, 0, 0, 0)),
        (UNQ, (0, 1, 0, 0)),
        (noisy_views(0.2, 0.2), (0.0956, 0.1825, 0.1825, 0)),
        (noisy_views(0.1, 0.3), (0.0752, 0.4558, 0.0435, 0)),
        (ADD, (0.0152, 0.0921, 0.0921, 0.0371)),
        (MIXED, (0.0031, 0.0991, 0.0194, 0.1286)),
    ],
    ids=["and", "xor", "copy", "rdn", "unq", "views .2 .2", "views .1 .3", "add", "mixed"],
)
def test_dependency(table, expected):
    close(dependency(table), expected, 1e-3)


@pytest.mark.parametrize("rule", [broja, dependency])
def test_swapped_sources_swap_the_parts(rule):
    generator = torch.Generator().manual_seed(0)
    table = torch.rand(3, 4, 2, generator=generator, dtype=torch.float64)
    one, other = rule(table), rule(table.transpose(0, 1))
    assert one.unique == pytest.approx(other.unique[::-1], abs=1e-5)
    assert one.redundant == pytest.approx(other.redundant, abs=1e-5)
    assert one.total == pytest.approx(other.total, abs=1e-12)


def test_broja_union_is_a_lower_bound_over_a_grid_of_couplings():
    table = noisy_views(0.25, 0.15)
    p1y, p2y = table.sum(1), table.sum(0)
    steps = torch.linspace(0, 1, 101, dtype=torch.float64)
    best = math.inf
    for s in steps:
        for t in steps:
            q = torch.empty(2, 2, 2, dtype=torch.float64)
            for y, at in ((0, s), (1, t)):
                low = max(0.0, float(p1y[0, y] + p2y[0, y] - 0.5))
                high = float(min(p1y[0, y], p2y[0, y]))
                q[0, 0, y] = low + at * (high - low)
                q[0, 1, y] = p1y[0, y] - q[0, 0, y]
                q[1, 0, y] = p2y[0, y] - q[0, 0, y]
                q[1, 1, y] = 0.5 - q[0, 0, y] - q[0, 1, y] - q[1, 0, y]
            best = min(best, mutual_information(q.clamp_min(0).flatten(0, 1)))
    found = broja(table)
    union = found.redundant + sum(found.unique)
    assert union == pytest.approx(best, abs=5e-4)


def test_split_by_hand():
    assert split(1.0, 0.5, 1.4, 0.2).parts == pytest.approx((0.3, 0.7, 0.2, 0.2, 1.4))


def test_split_keeps_every_part_at_or_above_zero():
    assert split(1.0, 0.5, 2.0, 0.9).redundant == 0.5
    assert split(1.0, 0.5, 1.1, 0.0).redundant == pytest.approx(0.4)
    assert split(0.0, 0.0, 0.0, 0.3) == (0, (0, 0), 0, 0)


@pytest.mark.parametrize(
    "table",
    [torch.rand(2, 2), -torch.ones(2, 2, 2), torch.zeros(2, 2, 2), torch.full((2, 2, 2), math.nan)],
)
def test_not_a_table(table):
    with pytest.raises(ConfigError, match="^p: "):
        broja(table)
    with pytest.raises(ConfigError, match="^p: "):
        dependency(table)
