from collections.abc import Sequence

import pytest
import torch

from mrdib_graph.errors import DataError
from mrdib_graph.features.encoding import Encoder, encode
from mrdib_graph.features.row_cache import Facts


def _encoder(rows: list[list[float]]) -> Encoder:
    def run(items: Sequence[str]) -> tuple[torch.Tensor, Facts]:
        assert len(items) == len(rows)
        return torch.tensor(rows), {"pooling": "mean", "cut": "8"}

    return Encoder("made-up", "1", "d" * 64, {"a": 1}, run)


def test_rows_mask_and_record() -> None:
    encoder = _encoder([[1, 2], [0, 0], [3, 4]])
    features = encode(["x", None, "y", "z"], encoder, "e" * 64, torch.float32, False, "texts")
    assert features.mask.tolist() == [True, False, False, True]
    assert features.x.tolist() == [[1, 2], [3, 4]]
    record = features.provenance
    assert record.missing_items == (1, 2)
    assert record.pooling == "mean" and record.options == {"a": 1, "cut": "8"}
    assert record.weights_digest == "d" * 64 and record.input_digest == "e" * 64


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_rows_that_are_not_finite_are_refused(value: float) -> None:
    with pytest.raises(DataError, match="made-up: 1 of 2 rows hold NaN or infinity"):
        encode(["x", "y"], _encoder([[1.0], [value]]), "", torch.float32, False, "texts")


def test_nothing_but_zeros_is_refused() -> None:
    with pytest.raises(DataError, match="found nothing in any of the 1 images"):
        encode(["x", None], _encoder([[0.0]]), "", torch.float32, False, "images")
