import dataclasses
import json

import pytest

from mrdib_graph.errors import DataError
from mrdib_graph.features import Provenance

RECORD = Provenance(
    encoder="tfidf-svd",
    version="scikit-learn 1.9.1",
    pooling="none",
    dimension=4,
    dtype="float32",
    num_items=8,
    missing_items=(1, 5),
    input_digest="a" * 64,
    output_digest="b" * 64,
    weights_digest=None,
    options={"dim": 4, "seed": 0},
    date="2026-01-02T03:04:05+00:00",
    library_version="0.1.0",
)


def test_json_round_trip() -> None:
    assert Provenance.from_json(RECORD.to_json(), "here") == RECORD
    written = dataclasses.replace(RECORD, fill="mean", file_digest="c" * 64)
    assert Provenance.from_json(written.to_json(), "here") == written


def test_coverage_and_flat_values() -> None:
    assert RECORD.coverage == 0.75
    flat = RECORD.flat()
    assert flat["num_missing"] == 2 and "missing_items" not in flat
    assert "weights_digest" not in flat and flat["options"] == '{"dim": 4, "seed": 0}'
    assert all(isinstance(value, str | int | float) for value in flat.values())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"encoder": 3}, "'encoder' is 3"),
        ({"missing_items": "1,5"}, "'missing_items'"),
        ({"weights_digest": 7}, "'weights_digest'"),
        ({"options": []}, "'options'"),
        ({"missing_items": [8]}, "'missing_items' holds other values than 0 to 7"),
        ({"missing_items": ["1"]}, "'missing_items' holds other values"),
        ({"dtype": "load"}, "'dtype' is 'load', expected float32 or bfloat16"),
        ({"colour": "red"}, r"unknown fields \['colour'\]"),
    ],
)
def test_other_fields_are_refused(change: dict[str, object], message: str) -> None:
    text = json.dumps(json.loads(RECORD.to_json()) | change)
    with pytest.raises(DataError, match=f"text_feat.json: .*{message}"):
        Provenance.from_json(text, "text_feat.json")


@pytest.mark.parametrize("text", ["{", "[]", '"x"', "{}", "null"])
def test_what_is_no_record_is_refused(text: str) -> None:
    with pytest.raises(DataError, match="here: not"):
        Provenance.from_json(text, "here")
