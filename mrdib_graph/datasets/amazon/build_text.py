"""Text features that a build makes by an encoder which its options name."""

from __future__ import annotations

import sys
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from mrdib_graph.errors import ConfigError
from mrdib_graph.features import encode_text, write_features
from mrdib_graph.features.text_encoding import encoder_record
from mrdib_graph.options import check_options

OPTIONS = ("encoder", "dim", "seed", "pooling", "batch_size", "device", "download")


def check_encoder(asked: object, features: Collection[str]) -> None:
    """Refuse what cannot encode texts, before anything is read.

    Args:
        asked: An encoder's name, its options, or a function.
        features: Modalities that the build has anyway.

    Raises:
        ConfigError: It is nothing of these, has an unknown option, or there is a text already.
    """
    if "text" in features:
        raise ConfigError("encode_text: features already has 'text'; give one of them")
    if isinstance(asked, str | Mapping):
        text_options(asked)
    elif not callable(asked):
        raise ConfigError(
            f"encode_text: got {asked!r}, expected an encoder's name, its options, or a function"
        )


def text_options(asked: str | Mapping[str, Any]) -> dict[str, Any]:
    """Options of :func:`mrdib_graph.features.encode_text` from an encoder's name, or from some.

    Raises:
        ConfigError: An option is unknown, or one that a build sets.
    """
    options = {"encoder": asked} if isinstance(asked, str) else dict(asked)
    check_options(encode_text, options, "encode_text")
    for name in options:
        if name not in OPTIONS:
            raise ConfigError(
                f"encode_text: option '{name}' is not one of a build: {', '.join(OPTIONS)}"
            )
    return options


def text_identity(asked: str | Mapping[str, Any]) -> dict[str, Any]:
    """What the rows follow from beside the texts; JSON-ready.

    Raises:
        ConfigError: An option is out of range.
        DataError: A model's folder lacks files.
        MissingExtraError: The encoder's package is not installed.
    """
    options = {k: v for k, v in text_options(asked).items() if k != "batch_size"}
    return encoder_record(**options)


def write_texts(
    folder: Path, texts: Sequence[str], asked: str | Mapping[str, Any]
) -> dict[str, Any]:
    """Encode the text of each item into ``text_feat.npy`` and ``text_feat.json``; counts."""
    options = text_options(asked)
    features = encode_text(texts, **options, quiet=not sys.stderr.isatty())
    write_features(folder, "text", features)
    rows = features.mask.numel()
    return {
        "encoder": features.provenance.encoder,
        "rows": rows,
        "width": features.x.size(1),
        "items without a text": rows - features.x.size(0),
    }
