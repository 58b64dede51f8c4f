from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from mrdib_graph.errors import ConfigError, DataError
from mrdib_graph.features.image_weights import load_weights, read_weights, weights_file


def _network(classifier: bool) -> nn.Sequential:
    layers: dict[str, nn.Module] = {"body": nn.Linear(3, 4)}
    if classifier:
        layers["head"] = nn.Linear(4, 2)
    network = nn.Sequential()
    for name, layer in layers.items():
        network.add_module(name, layer)
    return network


@pytest.mark.parametrize("form", ["pth", "nested", "safetensors"])
def test_weights_load_without_the_classifier(tmp_path: Path, form: str) -> None:
    whole = _network(classifier=True)
    path = tmp_path / ("w.safetensors" if form == "safetensors" else "w.pth")
    if form == "safetensors":
        save_file(whole.state_dict(), path)
    else:
        state = whole.state_dict()
        torch.save({"state_dict": state, "epoch": 3} if form == "nested" else state, path)
    network = _network(classifier=False)
    load_weights(network, path, ("head",))
    assert torch.equal(network.body.weight, whole.body.weight)


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    save_file({"other.weight": torch.zeros(1), "body.bias": torch.zeros(4)}, path)
    with pytest.raises(DataError, match=r"1 are absent \['body.weight'\], 1 unknown"):
        load_weights(_network(classifier=False), path, ())
    save_file({"body.weight": torch.zeros(9, 9), "body.bias": torch.zeros(4)}, path)
    with pytest.raises(DataError, match=r"w\.safetensors: weights of another network:.*size"):
        load_weights(_network(classifier=False), path, ())


def test_file_that_runs_code_is_never_loaded(tmp_path: Path) -> None:
    path = tmp_path / "w.pth"
    torch.save(_network(classifier=True), path)  # a whole module: a pickle that names classes
    with pytest.raises(DataError, match=r"w\.pth: not a file of tensors alone"):
        read_weights(path)


@pytest.mark.parametrize(
    ("name", "content"), [("w.pth", b"no"), ("w.safetensors", b"no"), ("w.pth", b"")]
)
def test_damaged_file_is_refused(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=name):
        read_weights(tmp_path / name)


def test_what_is_no_state_dictionary_is_refused(tmp_path: Path) -> None:
    torch.save([torch.zeros(1)], tmp_path / "w.pth")
    with pytest.raises(DataError, match="expected a state dictionary"):
        read_weights(tmp_path / "w.pth")


def test_path_is_checked(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file of weights"):
        weights_file(tmp_path / "w.pth")
    with pytest.raises(ConfigError, match="weights: got 3"):
        weights_file(3)  # type: ignore[arg-type]
