"""TF-IDF with a truncated SVD: text features without any model."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from mrdib_graph.errors import DataError
from mrdib_graph.features.encoding import Encoder
from mrdib_graph.features.row_cache import Facts
from mrdib_graph.options import Count, NonNegativeInt, checked

MAX_TERMS = 50_000
NOTHING = 1e-6
"""A singular value or row norm up to this, relative to the largest, is rounding."""


@checked
def tfidf_svd(dim: Count, seed: NonNegativeInt) -> Encoder:
    """The encoder; its rows have norm 1, or are zero where no known word is in the text.

    Args:
        dim: Directions kept.
        seed: Seed of the randomised SVD.

    Raises:
        ConfigError: ``dim`` or ``seed`` is no integer in range.
    """
    import sklearn

    def run(texts: Sequence[str]) -> tuple[Tensor, Facts]:
        return _rows(texts, dim, seed), {"pooling": "none"}

    options = {"dim": dim, "seed": seed, "max_terms": MAX_TERMS}
    return Encoder("tfidf-svd", f"scikit-learn {sklearn.__version__}", None, options, run)


def _rows(texts: Sequence[str], dim: int, seed: int) -> Tensor:
    from sklearn.decomposition import TruncatedSVD
    from sklearn.feature_extraction.text import TfidfVectorizer

    # one-letter words count: "C" and "R" are titles
    words = TfidfVectorizer(sublinear_tf=True, token_pattern=r"(?u)\b\w+\b", max_features=MAX_TERMS)
    try:
        weights = words.fit_transform(texts)
    except ValueError as error:
        raise DataError(f"tfidf-svd: none of the {len(texts)} texts holds a word") from error
    most = min(weights.shape)
    if dim > most:
        raise DataError(
            f"tfidf-svd: dim={dim}, and {weights.shape[0]} texts with {weights.shape[1]} different "
            f"words have at most {most} directions; pass dim={most} or less"
        )
    svd = TruncatedSVD(dim, n_iter=7, random_state=seed)
    x = svd.fit_transform(weights)
    rank = int((svd.singular_values_ > NOTHING * svd.singular_values_[0]).sum())
    if rank < dim:
        raise DataError(
            f"tfidf-svd: dim={dim}, and the texts span {rank} directions, the rest is rounding; "
            f"pass dim={rank} or less"
        )
    norm = np.linalg.norm(x, axis=1, keepdims=True)
    x = np.where(norm > NOTHING, x / np.maximum(norm, NOTHING), 0.0)
    return torch.from_numpy(x.astype(np.float32))
