"""Soft hyperedges against the paper's sums, and the law of the Gumbel noise."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from mrdib_graph.errors import ConfigError
from mrdib_graph.nn import Hypergraph


def draw(*shape: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def by_loop(a: Tensor, b: Tensor, x: Tensor, num_layers: int) -> tuple[Tensor, Tensor]:
    """The paper's sums over members, one entry at a time; the rows of users and of items."""
    y = x
    for _ in range(num_layers):
        edges = torch.zeros(a.size(1), x.size(1), dtype=x.dtype)
        for i in range(a.size(0)):
            for e in range(a.size(1)):
                edges[e] += a[i, e] * y[i]
        y = torch.stack([sum(row[e] * edges[e] for e in range(len(edges))) for row in a])
    users = torch.stack([sum(row[e] * edges[e] for e in range(len(edges))) for row in b])
    return users, y


@pytest.mark.parametrize("num_layers", [1, 2, 3])
def test_equals_the_sums_up_to_the_factor(num_layers: int) -> None:
    layer = Hypergraph(num_layers, temperature=0.5).eval()
    x, items, users = draw(7, 3), draw(7, 2, seed=1), draw(4, 2, seed=2)
    of_users, of_items = layer(x, items, users)
    a, b = (torch.exp(2 * w) / torch.exp(2 * w).sum(1, keepdim=True) for w in (items, users))
    wanted_users, wanted_items = by_loop(a, b, x, num_layers)
    factor = (2 / 7) ** num_layers
    torch.testing.assert_close(of_users, factor * wanted_users)
    torch.testing.assert_close(of_items, factor * wanted_items)
    torch.testing.assert_close(F.normalize(of_items), F.normalize(wanted_items))


def test_hand_computed() -> None:
    # two hyperedges, items 0 and 1 wholly in the first, item 2 in the second, the user half in each
    layer = Hypergraph(2).eval()
    far = 1e4
    items = torch.tensor([[far, 0.0], [far, 0.0], [0.0, far]])
    x = torch.tensor([[1.0], [2.0], [3.0]])
    of_users, of_items = layer(x, items, torch.zeros(1, 2))
    # sums: l1 = (3, 3), y1 = (3, 3, 3), l2 = (6, 3); twice the factor 2 / 3
    torch.testing.assert_close(of_items, torch.tensor([[6.0], [6.0], [3.0]]) * 4 / 9)
    torch.testing.assert_close(of_users, torch.tensor([[4.5]]) * 4 / 9)


@pytest.mark.parametrize("training", [True, False])
def test_memberships_of_a_node_sum_to_one(training: bool) -> None:
    layer = Hypergraph(dropout=0.5).train(training)
    rows = layer.memberships(3 * draw(20, 5))
    torch.testing.assert_close(rows.sum(1), torch.ones(20, dtype=torch.float64))
    assert bool((rows >= 0).all())


def test_items_outside_the_mask_give_and_get_nothing() -> None:
    layer = Hypergraph(2).eval()
    x, items, users = draw(6, 3), draw(6, 4, seed=1), draw(5, 4, seed=2)
    mask = torch.tensor([True, True, False, True, False, True])
    of_users, of_items = layer(x, items, users, mask)
    alone_users, alone_items = layer(x[mask], items[mask], users)
    factor = (4 / 6) ** 2  # the factor counts all items
    torch.testing.assert_close(of_users, alone_users * factor)
    torch.testing.assert_close(of_items[mask], alone_items * factor)
    assert not of_items[~mask].any()


def test_one_draw_serves_a_call() -> None:
    layer = Hypergraph(3, dropout=0.4)
    x, items, users = draw(30, 3), draw(30, 4, seed=1), draw(20, 4, seed=2)
    torch.manual_seed(5)
    of_users, of_items = layer(x, items, users)
    torch.manual_seed(5)
    a = F.dropout(layer.memberships(items), 0.4)
    b = F.dropout(layer.memberships(users), 0.4)
    assert bool((a == 0).any()) and bool((b == 0).any())
    wanted_users, wanted_items = by_loop(a, b, x, 3)
    torch.testing.assert_close(of_users, (4 / 30) ** 3 * wanted_users)
    torch.testing.assert_close(of_items, (4 / 30) ** 3 * wanted_items)


def test_the_noise_chooses_as_often_as_the_softmax_says() -> None:
    # the largest of logits with Gumbel noise is drawn with their softmax as probabilities
    logits = torch.tensor([[0.0, 1.0, -0.5]])
    torch.manual_seed(0)
    rows = Hypergraph(temperature=0.2).memberships(logits.expand(20_000, 3))
    frequency = rows.argmax(1).bincount() / 20_000
    torch.testing.assert_close(frequency, logits.softmax(1)[0], atol=0.015, rtol=0)


def test_many_layers_on_many_items_do_not_overflow() -> None:
    torch.manual_seed(0)
    layer = Hypergraph(16).eval()
    x = torch.randn(2_000, 4)
    of_users, of_items = layer(x, torch.randn(2_000, 4), torch.randn(10, 4))
    for rows in (of_users, of_items):
        torch.testing.assert_close(F.normalize(rows).norm(dim=1), torch.ones(rows.size(0)))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_layers": 0}, "num_layers: got 0, expected a whole number, 1 or more"),
        ({"temperature": 0.0}, "temperature: got 0.0, expected more than 0"),
        ({"dropout": 1.0}, "dropout: got 1.0, expected a probability below 1"),
    ],
)
def test_options(options: dict[str, float], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Hypergraph(**options)  # type: ignore[arg-type]


def test_says_its_options() -> None:
    assert repr(Hypergraph(2)) == "Hypergraph(num_layers=2, temperature=0.2, dropout=0.0)"
