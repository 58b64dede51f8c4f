import pytest
import torch

from mrdib_graph.errors import ConfigError
from mrdib_graph.mrdib import RankingDecoder


@pytest.fixture
def codes():
    return torch.randn(7, 5, generator=torch.Generator().manual_seed(0))


def test_none_is_the_code_itself_without_weights(codes):
    decoder = RankingDecoder(5)
    assert decoder(codes) is codes
    assert not list(decoder.parameters())


def test_linear_starts_at_the_identity_and_maps_without_bias(codes):
    decoder = RankingDecoder(5, "linear")
    torch.testing.assert_close(decoder(codes), codes)
    with torch.no_grad():
        decoder.linear.weight.copy_(torch.arange(25.0).view(5, 5))
    expected = torch.stack([decoder.linear.weight @ z for z in codes])
    torch.testing.assert_close(decoder(codes), expected)
    assert [name for name, _ in decoder.named_parameters()] == ["linear.weight"]


def test_unknown_kind_is_named():
    with pytest.raises(ConfigError, match=r"kind: got 'mlp', expected none or linear"):
        RankingDecoder(5, "mlp")
