import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from mrdib_graph.errors import ConfigError, DataError
from mrdib_graph.features import encode_text, tfidf_svd

TEXTS = ["red cotton shirt", None, "blue cotton shirt", " \n", "night lamp", "", "red lamp"]


def test_missing_texts_have_no_row() -> None:
    features = encode_text(TEXTS, dim=3, cache=False)
    assert features.mask.tolist() == [True, False, True, False, True, False, True]
    assert features.x.shape == (4, 3)
    alone = encode_text([t for t in TEXTS if t and t.strip()], dim=3, cache=False)
    assert torch.equal(features.x, alone.x)


def test_the_record_says_how_rows_were_made() -> None:
    record = encode_text(TEXTS, dim=3, seed=4, cache=False).provenance
    assert record.encoder == "tfidf-svd" and record.version.startswith("scikit-learn ")
    assert (record.dimension, record.num_items, record.missing_items) == (3, 7, (1, 3, 5))
    assert record.options["dim"] == 3 and record.options["seed"] == 4
    assert record.weights_digest is None and record.date.endswith("+00:00")
    same = encode_text(TEXTS, dim=3, seed=4, cache=False).provenance
    assert record.input_digest == same.input_digest
    assert record.output_digest == same.output_digest
    other = encode_text([*TEXTS[:-1], "red lamps"], dim=3, cache=False).provenance
    assert record.input_digest != other.input_digest
    assert record.output_digest != other.output_digest


def test_texts_may_be_any_sequence() -> None:
    listed = encode_text(["a b", "b c", "c a"], dim=2, cache=False)
    for texts in (("a b", "b c", "c a"), np.array(["a b", "b c", "c a"])):
        assert torch.equal(encode_text(texts, dim=2, cache=False).x, listed.x)


def test_text_without_a_known_word_counts_as_missing(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        features = encode_text(["a b", "?!", None, "b c"], dim=2, cache=False)
    assert features.mask.tolist() == [True, False, False, True]
    assert features.provenance.missing_items == (1, 2)
    assert "found nothing in 1 of 3 texts" in caplog.text


def test_bfloat16_rows_are_the_rounded_ones() -> None:
    exact = encode_text(TEXTS, dim=3, cache=False)
    rounded = encode_text(TEXTS, dim=3, dtype=torch.bfloat16, cache=False)
    assert rounded.x.dtype == torch.bfloat16 and rounded.provenance.dtype == "bfloat16"
    assert torch.equal(rounded.x, exact.x.bfloat16())
    assert rounded.provenance.output_digest != exact.provenance.output_digest


def test_rows_come_from_the_cache_until_something_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = []
    rows = tfidf_svd._rows

    def counted(*arguments: Any) -> torch.Tensor:
        runs.append(1)
        return rows(*arguments)

    monkeypatch.setattr(tfidf_svd, "_rows", counted)
    first = encode_text(TEXTS, dim=3, cache=tmp_path)
    again = encode_text(TEXTS, dim=3, cache=str(tmp_path))
    assert len(runs) == 1
    assert torch.equal(first.x, again.x) and first.provenance == again.provenance
    encode_text(TEXTS, dim=3, dtype=torch.bfloat16, cache=tmp_path)
    assert len(runs) == 1  # the cache holds float32
    encode_text(TEXTS, dim=2, cache=tmp_path)
    encode_text(TEXTS, dim=3, seed=1, cache=tmp_path)
    encode_text([*TEXTS, None], dim=3, cache=tmp_path)
    assert len(runs) == 4
    encode_text(TEXTS, dim=3, cache=False)
    assert len(runs) == 5
    assert len(list(tmp_path.iterdir())) == 4


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        ("one text", "texts: got 'one text', expected a list"),
        ({"a": 1}, "texts: got {'a': 1}, expected a list"),
        ({"a", "b"}, "texts: got set"),
        (None, "texts: got NoneType"),
        ([], "the list is empty"),
        (["a", 3], r"texts\[1\]: got 3 of type int"),
        (["a", float("nan")], r"texts\[1\]: got nan of type float"),
        ([b"a"], r"texts\[0\]: got b'a' of type bytes"),
    ],
)
def test_wrong_texts_are_refused(texts: Sequence[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        encode_text(texts, cache=False)


def test_nothing_but_empty_texts_is_refused() -> None:
    with pytest.raises(DataError, match="all 3 are empty"):
        encode_text([None, "", "\t"], cache=False)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"pooling": "mean"}, "pooling: 'tfidf-svd' has none"),
        ({"batch_size": 0}, "batch_size: got 0"),
        ({"batch_size": 2.5}, "batch_size: got 2.5"),
        ({"device": "abacus"}, "device: 'abacus' is not usable"),
        ({"dtype": torch.float16}, "dtype: got torch.float16"),
        ({"encoder": "minilm", "dim": 3}, "dim: only 'tfidf-svd' has the option"),
    ],
)
def test_wrong_options_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        encode_text(["a b", "b c"], **{"dim": 1, "cache": False} | options)
