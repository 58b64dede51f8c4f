from pathlib import Path

import pytest
import torch

from mrdib_graph.features.digests import (
    file_digest,
    folder_digest,
    parts_digest,
    tensor_digest,
    text_digest,
)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (["ab", "c"], ["a", "bc"]),
        ([None], [""]),
        ([None, ""], ["", None]),
        (["a"], ["a", None]),
        (["+1:a"], ["a", "a"]),
        (["a", "b"], ["b", "a"]),
    ],
)
def test_different_texts_have_different_digests(
    one: list[str | None], other: list[str | None]
) -> None:
    assert text_digest(one) != text_digest(other)
    assert text_digest(one) == text_digest(list(one))


def test_text_that_is_not_unicode_has_a_digest() -> None:
    assert text_digest(["\ud800"]) != text_digest(["\ud801"])


def test_parts_may_come_from_a_generator() -> None:
    assert parts_digest(part for part in (b"x", None)) == parts_digest([b"x", None])


def test_folder_digest_knows_names_and_contents(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("1")
    (tmp_path / "b").write_text("2")
    first = folder_digest(tmp_path, tmp_path.iterdir())
    assert file_digest(tmp_path / "a").startswith("6b86b273ff34fce1")  # SHA-256 of "1"
    (tmp_path / "b").rename(tmp_path / "c")
    second = folder_digest(tmp_path, tmp_path.iterdir())
    (tmp_path / "c").write_text("3")
    assert len({first, second, folder_digest(tmp_path, tmp_path.iterdir())}) == 3


def test_tensor_digest_knows_shape_and_values() -> None:
    x = torch.arange(6.0)
    assert tensor_digest(x.view(2, 3)) != tensor_digest(x.view(3, 2))
    assert tensor_digest(x.view(2, 3)) == tensor_digest(x.view(2, 3).bfloat16())  # exact values
    strided = x.view(3, 2).t()
    assert tensor_digest(strided) == tensor_digest(strided.contiguous())
    changed = x.view(2, 3).clone()
    changed[1, 2] += 1e-5
    assert tensor_digest(changed) != tensor_digest(x.view(2, 3))
