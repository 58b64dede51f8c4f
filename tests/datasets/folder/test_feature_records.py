"""The record beside a feature file, as a data set in a folder reads it."""

import hashlib

import numpy as np
import pytest

from mrdib_graph.datasets import MMRecFolder
from mrdib_graph.errors import DataError
from mrdib_graph.features import encode_text, write_features

ITEMS = 20


@pytest.fixture
def root(tmp_path):
    """A folder ``shop`` with two modalities and no split."""
    folder = tmp_path / "shop"
    folder.mkdir()
    rows = [f"{u}\t{(u + i) % ITEMS}" for u in range(ITEMS) for i in range(6)]
    (folder / "shop.inter").write_text("userID\titemID\n" + "\n".join(rows) + "\n")
    rng = np.random.default_rng(1)
    for name, width in (("text", 4), ("image", 6)):
        np.save(folder / f"{name}_feat.npy", rng.normal(size=(ITEMS, width)).astype(np.float32))
    return tmp_path


def shop(root, **options):
    return MMRecFolder(root, "shop", split="random", **options)


@pytest.fixture
def encoded(root):
    """The text modality made by an encoder, with its record; item 4 has no text."""
    texts = [f"kind {i % 5} maker {i % 7}" for i in range(ITEMS)]
    texts[4] = ""
    features = encode_text(texts, dim=4, cache=False)
    write_features(root / "shop", "text", features, overwrite=True)
    return features


def test_the_record_of_features_is_the_data_sets(root, encoded):
    assert shop(root, modalities=["image"]).feature_records == {}
    records = shop(root).feature_records
    assert list(records) == ["text"]
    assert records["text"] == {
        **encoded.provenance.flat(),
        **{"fill": "mean", "file_digest": records["text"]["file_digest"]},
    }
    assert records["text"]["encoder"] == "tfidf-svd" and records["text"]["num_missing"] == 1
    path = root / "shop/text_feat.npy"
    assert records["text"]["file_digest"] == hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.usefixtures("encoded")
def test_a_record_of_other_rows_is_refused(root):
    x = np.load(root / "shop/text_feat.npy")
    x[3, 1] += 1
    np.save(root / "shop/text_feat.npy", x)
    digest = hashlib.sha256((root / "shop/text_feat.npy").read_bytes()).hexdigest()
    message = rf"text_feat.json: belongs to other rows: text_feat.npy has SHA-256 {digest}"
    with pytest.raises(DataError, match=message):
        shop(root)[0]
    shop(root, modalities=["image"])[0]


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"{", "not JSON"), (b"{}", "not a record of feature rows"), (b"\xff", "cannot be read")],
)
def test_a_damaged_record_is_refused(root, content, message):
    (root / "shop/text_feat.json").write_bytes(content)
    with pytest.raises(DataError, match=f"text_feat.json: .*{message}"):
        shop(root)[0]
