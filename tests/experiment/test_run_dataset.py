"""Which data set a configuration names."""

from pathlib import Path

import pytest

from mrdib_graph.datasets import LastFM2K, MMRecFolder, Planted
from mrdib_graph.errors import ConfigError, DataError
from mrdib_graph.experiment import open_dataset


def test_a_name(make_config, planted: Planted) -> None:
    dataset = open_dataset(make_config())
    assert type(dataset) is Planted and dataset.digest == planted.digest
    options = {"seed": 7, "num_users": 200, "num_items": 100, "num_interactions": 2000}
    other = make_config(dataset="PLANTED", dataset_options=options)
    assert open_dataset(other)[0]["user"].num_nodes == 200


def test_a_name_that_is_read_from_the_root(make_config, tmp_path: Path) -> None:
    config = make_config(
        dataset="lastfm2k", root=str(tmp_path), dataset_options={}, modalities=["text"]
    )
    dataset = open_dataset(config)  # nothing is read yet
    assert type(dataset) is LastFM2K and dataset.folder == tmp_path / "lastfm2k"
    assert dataset.requested == ["text"] and dataset.split_rule == "random seed=0"
    with pytest.raises(DataError, match="lastfm2k"):
        dataset[0]


@pytest.mark.parametrize("exists", [True, False])
def test_a_path(exists: bool, make_config, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    if exists:
        (tmp_path / "shop").mkdir()
    name = "shop" if exists else "./shop"
    config = make_config(
        dataset=name, dataset_options={"scale": "never"}, split="given", modalities=["b", "a"]
    )
    dataset = open_dataset(config)
    assert type(dataset) is MMRecFolder
    assert dataset.folder == tmp_path / "shop" and dataset.name == "shop"
    assert dataset.requested == ["b", "a"] and dataset.splitter.rule == "given"
    assert dataset.scaler.mode == "never"


def test_split_and_its_seed(make_config, tmp_path: Path) -> None:
    config = make_config(dataset=f"{tmp_path}/x", dataset_options={}, split_seed=4)
    assert open_dataset(config).split_rule == "random seed=4"


OWN = """
from mrdib_graph.datasets import Planted

class Small(Planted):
    name = "small"
    def __init__(self, num_users: int = 60):
        super().__init__(num_users, 80, 900)
"""


def test_a_class_in_a_file(make_config, tmp_path: Path) -> None:
    path = tmp_path / "own.py"
    path.write_text(OWN)
    config = make_config(dataset=f"{path}:Small", dataset_options={"num_users": 70})
    dataset = open_dataset(config)
    assert type(dataset).__name__ == "Small" and dataset[0]["user"].num_nodes == 70


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"dataset": "plantd"}, "dataset: 'plantd' is unknown; did you mean 'planted'"),
        ({"dataset_options": {"num_usrs": 3}}, "dataset Planted: option 'num_usrs' is unknown"),
        (
            {"dataset_options": {"num_users": 3.5}},
            "'num_users': got 3.5, expected a whole number, 1 or more",
        ),
        ({"modalities": ["text"]}, "modalities: Planted makes its split and its modalities"),
        ({"split": "given"}, "split: Planted makes its split"),
        ({"split_seed": 2}, "split_seed: Planted makes its split"),
        ({"dataset": "./x", "dataset_options": {"root": "y"}}, "'root' has a place of its own"),
        ({"dataset": "./x", "dataset_options": {"seed": 1}}, "MMRecFolder: option 'seed'"),
        ({"dataset": "none.py:Mine"}, "the file none.py does not exist"),
    ],
)
def test_mistakes(changes: dict, text: str, make_config) -> None:
    with pytest.raises(ConfigError) as error:
        open_dataset(make_config(**changes))
    assert text in str(error.value)
