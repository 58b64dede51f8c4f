import math
import re
from collections import Counter

import numpy as np
import pytest
import torch

from mrdib_graph.errors import ConfigError, DataError
from mrdib_graph.features.tfidf_svd import tfidf_svd

TEXTS = [
    "red cotton shirt",
    "blue cotton shirt with red buttons",
    "A guide to C and R",
    "guide to the night sky",
    "night lamp blue blue blue",
    "Red lamp",
]


def _by_hand(texts: list[str]) -> np.ndarray:
    """Weights from the formula, a loop over texts and words; rows of norm 1."""
    words = [re.findall(r"\w+", text.lower()) for text in texts]
    terms = sorted({word for text in words for word in text})
    out = np.zeros((len(texts), len(terms)))
    for row, text in enumerate(words):
        for word, count in Counter(text).items():
            holding = sum(word in other for other in words)
            weight = (1 + math.log(count)) * (1 + math.log((1 + len(texts)) / (1 + holding)))
            out[row, terms.index(word)] = weight
    return out / np.linalg.norm(out, axis=1, keepdims=True)


@pytest.mark.parametrize("dim", [2, 6])
def test_rows_are_those_of_a_dense_svd(dim: int) -> None:
    x, facts = tfidf_svd(dim, seed=0).run(TEXTS)
    left, values, _ = np.linalg.svd(_by_hand(TEXTS), full_matrices=False)
    expected = left[:, :dim] * values[:dim]
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    assert facts == {"pooling": "none"}
    assert x.shape == (6, dim) and x.dtype == torch.float32
    # directions have no sign of their own, so products of rows are compared
    np.testing.assert_allclose((x @ x.t()).numpy(), expected @ expected.T, atol=1e-5)


def test_equal_seeds_give_equal_bits() -> None:
    first, _ = tfidf_svd(3, seed=5).run(TEXTS)
    again, _ = tfidf_svd(3, seed=5).run(TEXTS)
    assert torch.equal(first, again)


def test_dim_above_the_number_of_texts_or_words_is_refused() -> None:
    with pytest.raises(DataError, match="dim=7, and 6 texts with 16 different.* pass dim=6"):
        tfidf_svd(7, seed=0).run(TEXTS)
    with pytest.raises(DataError, match="3 texts with 2 different.* pass dim=2"):
        tfidf_svd(3, seed=0).run(["a b", "a", "b"])


def test_dim_above_the_rank_is_refused() -> None:
    with pytest.raises(DataError, match="dim=3, and the texts span 2 directions"):
        tfidf_svd(3, seed=0).run(["a b c", "a b c", "d e f"])


def test_texts_without_a_word_are_refused() -> None:
    with pytest.raises(DataError, match="none of the 2 texts holds a word"):
        tfidf_svd(1, seed=0).run(["!!!", "?"])


def test_text_outside_the_directions_kept_is_zero() -> None:
    """Two words that occur nowhere else lie across the first direction: a row of rounding."""
    x, _ = tfidf_svd(1, seed=0).run(["a b", "a b", "a b", "x y", "..."])
    assert torch.equal(x[3], torch.zeros(1)) and torch.equal(x[4], torch.zeros(1))
    torch.testing.assert_close(x[:3].abs(), torch.ones(3, 1))


@pytest.mark.parametrize(("dim", "seed"), [(0, 0), (2.0, 0), (True, 0), (2, -1), (2, None)])
def test_wrong_options_are_refused(dim: int, seed: int) -> None:
    with pytest.raises(ConfigError, match="got .*expected a whole number, [01] or more"):
        tfidf_svd(dim, seed)
