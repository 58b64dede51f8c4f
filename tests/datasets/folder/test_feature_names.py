from pathlib import Path

import pytest

from mrdib_graph.datasets.folder.feature_names import feature_paths
from mrdib_graph.errors import ConfigError, DataError
from mrdib_graph.features.feature_folder import check_modality


def test_files_are_found_by_their_ending(tmp_path):
    for name in ("text_feat.npy", "audio_mel_feat.npy", "_feat.npy", "text.npy"):
        (tmp_path / name).touch()
    found = feature_paths(tmp_path, None)
    assert found == {
        "audio_mel": tmp_path / "audio_mel_feat.npy",
        "text": tmp_path / "text_feat.npy",
    }


def test_named_files_replace_those_that_are_found(tmp_path):
    (tmp_path / "text_feat.npy").touch()
    assert feature_paths(tmp_path, {"image": "a/b.npy"}) == {"image": Path("a/b.npy")}
    assert feature_paths(tmp_path, {}) == {}
    with pytest.raises(ConfigError, match="features: got 'image', expected modality to file"):
        feature_paths(tmp_path, "image")


@pytest.mark.parametrize("name", ["user", "item", "", "../x", "a/b", ".hidden", "a b", "é"])
def test_names_that_cannot_be_modalities(name):
    with pytest.raises(DataError, match="set.item: line 1: .* cannot name a modality"):
        check_modality(name, "set.item: line 1")
