"""Text features made during a build, by a named encoder."""

import json

import numpy as np
import pytest

from mrdib_graph import graph
from mrdib_graph.datasets import AmazonBaby, FetchOptions
from mrdib_graph.datasets.amazon.build_text import text_identity, text_options
from mrdib_graph.errors import ConfigError, DataError, MissingExtraError
from mrdib_graph.features import encode_text
from mrdib_graph.features.text_encoding import encoder_record

TFIDF = {"encoder": "tfidf-svd", "dim": 16, "seed": 3}


def fetch(root, raw_baby, encode, **options):
    build = {"images": False, "encode_text": encode, **options}
    dataset = AmazonBaby(root, scale="never", build=build)
    dataset.fetch(FetchOptions(local=raw_baby.ratings.parent, any_checksum=True))
    return dataset


def test_rows_and_record_are_those_of_the_encoder(raw_baby, tmp_path, monkeypatch):
    monkeypatch.setenv("MRDIB_GRAPH_CACHE", str(tmp_path / "cache"))
    dataset = fetch(tmp_path, raw_baby, TFIDF)
    data = dataset[0]
    assert graph.modalities(data) == ["text"]
    expected = encode_text(dataset.item_texts, "tfidf-svd", dim=16, seed=3, cache=False)
    assert np.allclose(data["text"].x.numpy(), expected.table().numpy(), atol=1e-6)
    assert (~expected.mask).any()  # some items have no text
    record = dataset.feature_records["text"]
    assert record["encoder"] == "tfidf-svd" and record["dimension"] == 16
    assert record["output_digest"] == expected.provenance.output_digest
    steps = json.loads((dataset.folder / "provenance.json").read_text())["steps"]
    assert steps["text features"] == {
        **{"encoder": "tfidf-svd", "rows": 120, "width": 16},
        "items without a text": int((~expected.mask).sum()),
    }


def test_the_encoder_is_part_of_what_a_build_follows_from(raw_baby, tmp_path, caplog):
    fetch(tmp_path, raw_baby, TFIDF)
    made = (tmp_path / "amazon-baby/text_feat.npy").stat().st_mtime_ns
    fetch(tmp_path, raw_baby, dict(TFIDF))
    assert (tmp_path / "amazon-baby/text_feat.npy").stat().st_mtime_ns == made
    fetch(tmp_path, raw_baby, {**TFIDF, "dim": 12})
    assert "built from other inputs" in caplog.text
    assert np.load(tmp_path / "amazon-baby/text_feat.npy").shape == (120, 12)


def test_the_identity_holds_what_changes_rows_and_nothing_else():
    one = text_identity(TFIDF)
    assert one["encoder"] == "tfidf-svd" and one["version"].startswith("scikit-learn ")
    assert one == text_identity({**TFIDF, "batch_size": 7}) == encoder_record(dim=16, seed=3)
    assert one != text_identity({**TFIDF, "seed": 4})
    assert text_identity("tfidf-svd") == encoder_record()
    assert json.loads(json.dumps(one)) == one


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"encoder": "tfidf-svd", "dims": 3}, "option 'dims' is unknown; did you mean 'dim'"),
        ({"encoder": "tfidf-svd", "cache": False}, "option 'cache' is not one of a build"),
        ({"texts": ["a"]}, "option 'texts' is not one of a build"),
        (3, "got 3, expected an encoder's name"),
    ],
)
def test_wrong_options(asked, message):
    with pytest.raises(ConfigError, match=message):
        AmazonBaby(build={"encode_text": asked})


def test_an_encoder_that_is_not_to_be_had_ends_it_before_anything_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda *_: None)
    options = FetchOptions(local=tmp_path / "absent")
    with pytest.raises(MissingExtraError, match="text"):
        AmazonBaby(tmp_path, build={"encode_text": "minilm"}).fetch(options)
    assert text_options("minilm") == {"encoder": "minilm"}


def test_too_many_columns_leave_no_folder(raw_baby, tmp_path):
    with pytest.raises(DataError, match="dim"):
        fetch(tmp_path, raw_baby, "tfidf-svd")
    assert not (tmp_path / "amazon-baby").exists()
