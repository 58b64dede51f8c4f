"""PreferenceGCN against dense matrices and the hand-computed case."""

import pytest
import torch
from torch_geometric.data import HeteroData

from mrdib_graph import graph
from mrdib_graph.errors import ConfigError
from mrdib_graph.nn import PreferenceGCN
from mrdib_graph.testing import tiny_data
from mrdib_graph.transforms import UserItemGraph


def test_hand_computed_hops(two_by_two_graph: HeteroData) -> None:
    gcn = PreferenceGCN(2, 3, 1)
    s = graph.user_item_graph(two_by_two_graph, "sym")
    out = gcn.propagate(torch.tensor([[1.0], [2.0], [3.0], [4.0]]), s).squeeze(1)
    expected = torch.tensor([6.5784, 6.1820, 6.6213, 9.9749])
    torch.testing.assert_close(out, expected, atol=6e-5, rtol=0)


@pytest.fixture
def two_by_two_graph() -> HeteroData:
    data = HeteroData()
    data["user"].num_nodes = data["item"].num_nodes = 2
    store = data[graph.INTERACTS]
    store.edge_index = torch.tensor([[0, 0, 1], [0, 1, 1]])
    store.train_mask = torch.ones(3, dtype=torch.bool)
    return UserItemGraph("sym")(data)


def made(**options: float) -> tuple[PreferenceGCN, torch.Tensor, torch.Tensor, HeteroData]:
    torch.manual_seed(0)
    data = UserItemGraph("sym")(tiny_data())
    x, mask = graph.item_features(data, "text")
    return PreferenceGCN(30, x.size(1), 8, **options), x, mask, data  # type: ignore[arg-type]


def test_is_the_formula_on_dense_matrices() -> None:
    gcn, x, mask, data = made()
    s = graph.user_item_graph(data, "sym")
    first, _, second = gcn.project
    f = x @ first.weight.T + first.bias
    f = torch.where(f > 0, f, 0.01 * f) @ second.weight.T + second.bias
    h = torch.cat([gcn.preference, f])
    h = h / h.norm(dim=1, keepdim=True)
    torch.testing.assert_close(h.norm(dim=1), torch.ones(70))
    h = torch.cat([h[:30], h[30:] * mask.unsqueeze(1)])
    dense = s.dense()
    expected = h + dense @ h + dense @ dense @ h
    user, item = gcn(x, mask, s)
    torch.testing.assert_close(user, expected[:30])
    torch.testing.assert_close(item, expected[30:] * mask.unsqueeze(1))


def test_an_item_without_the_modality_is_zero_and_adds_nothing() -> None:
    gcn, x, mask, data = made(num_layers=1)
    s = graph.user_item_graph(data, "sym")
    missing = (~mask).nonzero().squeeze(1)
    user, item = gcn(x, mask, s)
    assert missing.numel() and not item[missing].any() and item[mask].any(1).all()
    other = x.clone()
    other[missing] = 100.0
    assert torch.equal(gcn(other, mask, s)[0], user)
    assert not torch.equal(gcn(other, None, s)[0], user)


def test_noise_in_training_only_of_the_stated_length() -> None:
    gcn, x, mask, data = made(num_layers=1, noise=0.1)
    s = graph.user_item_graph(data, "sym")
    noisy, plain = (gcn.train(mode)(x, None, s)[1] for mode in (True, False))
    difference = noisy - plain
    connected = s.row_sum()[30:] > 0
    torch.testing.assert_close(
        difference[connected].norm(dim=1), torch.full((int(connected.sum()),), 0.1)
    )
    assert not difference[~connected].any()  # the sign of a zero
    start = torch.nn.functional.normalize(gcn.project(x), dim=1)
    hop = (plain - start)[connected]
    assert bool((difference[connected].sign() == hop.sign())[hop.abs() > 1e-5].all())


def test_gradients_and_start() -> None:
    gcn, x, mask, data = made()
    user, item = gcn(x, mask, graph.user_item_graph(data, "sym"))
    (user.square() @ torch.randn(8) @ torch.randn(30) + (item @ torch.randn(8)).sum()).backward()
    for name, parameter in gcn.named_parameters():
        assert parameter.grad is not None and bool(parameter.grad.any()), name
    wide = PreferenceGCN(5_000, 4, 64)
    assert float(wide.preference.detach().std()) == pytest.approx((2 / 5_064) ** 0.5, rel=0.02)
    assert wide.project[0].out_features == 256


def test_options() -> None:
    with pytest.raises(ConfigError, match="num_layers: got -1, expected a whole number, 0 or more"):
        PreferenceGCN(2, 3, num_layers=-1)
    with pytest.raises(ConfigError, match="noise: got -0.1, expected 0 or more"):
        PreferenceGCN(2, 3, noise=-0.1)
    assert "num_layers=2, noise=0.0" in repr(PreferenceGCN(2, 3))
