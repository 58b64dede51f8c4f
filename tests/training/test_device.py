import pytest
import torch

from mrdib_graph.errors import ConfigError
from mrdib_graph.training import resolve_device


def test_devices_by_name():
    assert resolve_device("cpu") == torch.device("cpu")
    expected = "cuda" if torch.cuda.is_available() else "cpu"
    assert resolve_device("auto") == torch.device(expected)
    for name in ("gpu", "cuda:99"):
        with pytest.raises(ConfigError, match=f"device: '{name}' is not available"):
            resolve_device(name)
