import json
from pathlib import Path

import numpy as np
import pytest
import torch

from mrdib_graph import graph
from mrdib_graph.datasets import MMRecFolder
from mrdib_graph.errors import ConfigError, DataError
from mrdib_graph.features import (
    Features,
    encode_text,
    load_features,
    read_provenance,
    write_features,
)


@pytest.fixture
def words() -> Features:
    texts: list[str | None] = [f"item {i} of kind {'abc'[i % 3]}" for i in range(12)]
    texts[4] = None
    return encode_text(texts, dim=6, cache=False)


def test_round_trip(tmp_path: Path, words: Features) -> None:
    path = write_features(tmp_path / "shop", "text", words)
    assert path == tmp_path / "shop" / "text_feat.npy"
    assert sorted(p.name for p in path.parent.iterdir()) == ["text_feat.json", "text_feat.npy"]
    array = np.load(path)
    assert array.dtype == np.float32 and array.shape == (12, 6)
    np.testing.assert_allclose(array[4], words.x.mean(0).numpy(), rtol=1e-6)
    back = load_features(tmp_path / "shop", "text")
    assert torch.equal(back.x, words.x) and torch.equal(back.mask, words.mask)
    assert back.provenance == words.provenance
    record = read_provenance(tmp_path / "shop", "text")
    assert record.fill == "mean" and record.missing_items == (4,)


def test_bfloat16_round_trip(tmp_path: Path) -> None:
    words = encode_text(["a b", "b c", "c d"], dim=2, dtype=torch.bfloat16, cache=False)
    path = write_features(tmp_path, "text", words, fill="zero")
    assert np.load(path).dtype == np.float32
    back = load_features(tmp_path, "text")
    assert back.x.dtype == torch.bfloat16 and torch.equal(back.x, words.x)


def test_the_folder_is_read_as_a_data_set(tmp_path: Path, words: Features) -> None:
    lines = ["userID\titemID"] + [f"{u}\t{(u + k) % 12}" for u in range(12) for k in range(6)]
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "shop.inter").write_text("\n".join(lines) + "\n")
    write_features(tmp_path / "shop", "text", words)
    data = MMRecFolder(tmp_path, "shop", split="random", scale="never")[0]
    assert graph.modalities(data) == ["text"]
    assert torch.equal(data["text"].x, words.table())


def test_files_that_are_there_are_kept(tmp_path: Path, words: Features) -> None:
    (tmp_path / "text_feat.npy").write_bytes(b"mine")
    with pytest.raises(DataError, match=r"text_feat\.npy: is already there; pass overwrite=True"):
        write_features(tmp_path, "text", words)
    assert (tmp_path / "text_feat.npy").read_bytes() == b"mine"
    write_features(tmp_path, "text", words, overwrite=True)
    assert torch.equal(load_features(tmp_path, "text").x, words.x)


@pytest.mark.parametrize("name", ["", "a/b", "..", "user", "item", ".hidden", "a b", "té", 3])
def test_wrong_modality_is_refused(tmp_path: Path, words: Features, name: str) -> None:
    for use in (
        lambda: write_features(tmp_path, name, words),
        lambda: load_features(tmp_path, name),
    ):
        with pytest.raises(ConfigError, match="modality: got"):
            use()
    assert not list(tmp_path.iterdir())


def test_nothing_is_left_where_writing_fails(
    tmp_path: Path, words: Features, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*arguments: object, **options: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "save", full)
    with pytest.raises(DataError, match="table of 288 bytes cannot be written: .*No space left"):
        write_features(tmp_path, "text", words)
    assert not list(tmp_path.iterdir())


def test_record_of_other_rows_is_refused(tmp_path: Path, words: Features) -> None:
    path = write_features(tmp_path, "text", words)
    np.save(path, np.ones((12, 6), dtype=np.float32))
    with pytest.raises(DataError, match="belongs to other rows"):
        read_provenance(tmp_path, "text")
    assert read_provenance(tmp_path, "text", check=False).dimension == 6
    path.unlink()
    with pytest.raises(DataError, match="SHA-256 absent"):
        load_features(tmp_path, "text")


def test_absent_record_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"text_feat\.json: the record of the rows cannot be read"):
        read_provenance(tmp_path, "text")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"dimension": 7}, r"shape \(12, 6\), and text_feat.json says \(12, 7\)"),
        ({"missing_items": [5]}, "rows differ from the digest"),
    ],
)
def test_record_that_does_not_fit_is_refused(
    tmp_path: Path, words: Features, change: dict[str, object], message: str
) -> None:
    write_features(tmp_path, "text", words)
    path = tmp_path / "text_feat.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(DataError, match=message):
        load_features(tmp_path, "text")


def test_array_that_needs_pickle_is_refused(tmp_path: Path, words: Features) -> None:
    path = write_features(tmp_path, "text", words)
    np.save(path, np.array([[None] * 6] * 12), allow_pickle=True)
    record = tmp_path / "text_feat.json"
    from mrdib_graph.features.digests import file_digest

    record.write_text(
        json.dumps(json.loads(record.read_text()) | {"file_digest": file_digest(path)})
    )
    with pytest.raises(DataError, match=r"text_feat\.npy: cannot be read"):
        load_features(tmp_path, "text")
