from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mlflow.utils import validation

from mrdib_graph.tracking import limits


def test_the_limits_are_those_of_mlflow() -> None:
    assert limits.MAX_KEY == validation.MAX_ENTITY_KEY_LENGTH
    assert limits.MAX_PARAM == validation.MAX_PARAM_VAL_LENGTH
    assert limits.MAX_TAG == validation.MAX_TAG_VAL_LENGTH
    assert limits.MAX_DATASET_NAME == validation.MAX_DATASET_NAME_SIZE
    assert limits.MAX_DATASET_DIGEST == validation.MAX_DATASET_DIGEST_SIZE
    assert limits.MAX_PARAMS_PER_CALL == validation.MAX_PARAMS_TAGS_PER_BATCH
    assert limits.MAX_METRICS_PER_CALL == validation.MAX_METRICS_PER_BATCH


@settings(max_examples=60, deadline=None)
@given(st.text())
def test_mlflow_takes_every_cleaned_name(name: str) -> None:
    clean = limits.clean_name(name)
    validation._validate_metric_name(clean)
    validation._validate_param(clean, "1")
    validation._validate_tag(clean, "1")


@pytest.mark.parametrize(
    ("name", "clean"),
    [
        ("test/recall@20", "test/recall_at_20"),
        ("loss", "loss"),
        ("a b-c.d_e/f", "a b-c.d_e/f"),
        ("/root//x/", "root/x"),
        ("../x", "_/x"),
        ("a+b", "a_b"),
    ],
)
def test_names(name: str, clean: str) -> None:
    assert limits.clean_name(name) == clean


def test_long_names_stay_apart() -> None:
    first, second = limits.clean_name("a" * 400), limits.clean_name("a" * 401)
    assert first != second
    assert len(first) == len(second) == limits.MAX_KEY


def test_flatten() -> None:
    nested = {"a": {"b": 1, "c": {"d": None}}, "e": [1, Path("x")], "f": {}, "g": "y" * 7000}
    flat = limits.flatten(nested)
    assert list(flat) == ["a.b", "a.c.d", "e", "f", "g"]
    assert [flat[k] for k in ("a.b", "a.c.d", "e", "f")] == ["1", "None", '[1, "x"]', "{}"]
    assert len(flat["g"]) == limits.MAX_PARAM
    assert flat["g"].endswith("y\u2026")


def test_cut_leaves_short_text_alone() -> None:
    assert limits.cut("abc", 3) == "abc"
    assert limits.cut("abcd", 3) == "ab\u2026"


def test_clean_tags() -> None:
    tags = limits.clean_tags({"a@b": "x" * 9000})
    assert list(tags) == ["a_at_b"]
    assert len(tags["a_at_b"]) == limits.MAX_TAG


def test_json_text_never_raises_on_odd_values() -> None:
    assert limits.json_text({"a": Path("x"), "b": 1}) == '{"a": "x", "b": 1}'
