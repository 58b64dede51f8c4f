"""The steps that every encoder shares: cache, check, mask, record."""

from __future__ import annotations

import importlib.util
import logging
from collections.abc import Callable, Mapping, Sequence, Set
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from types import UnionType
from typing import Any, NamedTuple, TypeVar

import torch
from torch import Tensor

from mrdib_graph.errors import ConfigError, DataError, MissingExtraError
from mrdib_graph.features.digests import tensor_digest
from mrdib_graph.features.features import Features
from mrdib_graph.features.provenance import DTYPES, Provenance
from mrdib_graph.features.row_cache import Facts, cache_folder, cached_rows

logger = logging.getLogger(__name__)

T = TypeVar("T")


class Encoder(NamedTuple):
    """An encoder that is known and not yet loaded.

    Args:
        name: As the caller named it.
        version: Packages with versions.
        weights_digest: Digest of its weights, None without any.
        options: What else its rows depend on, JSON-ready.
        run: Items to float32 rows and the facts known only then; ``'pooling'`` is one of them.
    """

    name: str
    version: str
    weights_digest: str | None
    options: Mapping[str, Any]
    run: Callable[[Sequence[Any]], tuple[Tensor, Facts]]


def encode(
    items: Sequence[T | None],
    encoder: Encoder,
    input_digest: str,
    dtype: torch.dtype,
    cache: bool | str | Path,
    what: str,
) -> Features:
    """Encode the items that are there.

    An all-zero row says that the encoder found nothing in the item, which then counts as missing.

    Args:
        items: One for each row; None is missing.
        encoder: Makes the rows.
        input_digest: Digest of the items.
        dtype: float32 or bfloat16.
        cache: See :func:`cache_folder`.
        what: ``'texts'`` or ``'images'``, for messages.

    Raises:
        ConfigError: The dtype is another one.
        DataError: The encoder gives NaN or infinity, or nothing but zeros.
    """
    if dtype not in DTYPES.values():
        raise ConfigError(f"dtype: got {dtype!r}, expected torch.{' or torch.'.join(DTYPES)}")
    content: dict[str, object] = {
        "encoder": encoder.name,
        "version": encoder.version,
        "weights": encoder.weights_digest,
        "options": dict(encoder.options),
        "input": input_digest,
    }
    present = [item for item in items if item is not None]

    def build() -> tuple[Tensor, Facts]:
        x, facts = encoder.run(present)
        return x, {**facts, "date": datetime.now(UTC).isoformat(timespec="seconds")}

    x, facts = cached_rows(cache_folder(cache), content, build)
    finite = torch.isfinite(x).all(1)
    if not bool(finite.all()):
        raise DataError(
            f"{encoder.name}: {int((~finite).sum())} of {x.size(0)} rows hold NaN or infinity; the "
            "weights are damaged or overflow: try others"
        )
    found = (x != 0).any(1)
    if not bool(found.any()):
        raise DataError(f"{encoder.name}: found nothing in any of the {x.size(0)} {what}")
    if dropped := int((~found).sum()):
        logger.warning(
            "%s found nothing in %d of %d %s: they count as missing",
            encoder.name, dropped, x.size(0), what,
        )  # fmt: skip
    mask = torch.tensor([item is not None for item in items])
    mask[mask.nonzero().flatten()[~found]] = False
    x = x[found].to(dtype)
    return Features(x, mask, _record(x, mask, encoder, facts, input_digest))


def _record(
    x: Tensor, mask: Tensor, encoder: Encoder, facts: Facts, input_digest: str
) -> Provenance:
    from mrdib_graph.version import __version__

    rest = {name: value for name, value in facts.items() if name not in ("pooling", "date")}
    record = Provenance(
        encoder=encoder.name,
        version=encoder.version,
        pooling=facts["pooling"],
        dimension=x.size(1),
        dtype=str(x.dtype).removeprefix("torch."),
        num_items=mask.numel(),
        missing_items=tuple((~mask).nonzero().flatten().tolist()),
        input_digest=input_digest,
        output_digest=tensor_digest(x),
        weights_digest=encoder.weights_digest,
        options={**encoder.options, **rest},
        date=facts["date"],
        library_version=__version__,
    )
    logger.info("features: %s", record.flat())
    return record


def one_for_each_item(
    values: Sequence[T], name: str, what: str, kinds: type | UnionType
) -> list[T]:
    """The values as a list; an empty one, as None, is missing.

    Args:
        values: One for each item, in item order.
        name: Of the argument, which begins the message.
        what: What each value is, ``'text'``.
        kinds: Types of a value.

    Raises:
        ConfigError: It is no list, is empty, or holds something else.
    """
    if isinstance(values, str | bytes | Path | Mapping | Set) or not hasattr(values, "__iter__"):
        raise ConfigError(
            f"{name}: got {type(values).__name__}, expected a list with one {what} for each item"
        )
    given = list(values)
    if not given:
        raise ConfigError(f"{name}: the list is empty, expected one {what} for each item")
    for row, value in enumerate(given):
        if value is not None and not isinstance(value, kinds):
            raise ConfigError(
                f"{name}[{row}]: got {value!r} of type {type(value).__name__}, expected a {what}, "
                "or None where there is none"
            )
    return given


def need_package(package: str, extra: str, purpose: str, module: str | None = None) -> None:
    """Refuse where a package is not installed.

    Args:
        package: Its name.
        extra: The library's extra that brings it.
        purpose: What needs it.
        module: What it is imported as; by default its name with underscores.

    Raises:
        MissingExtraError: It is not there.
    """
    if importlib.util.find_spec(module or package.replace("-", "_")) is None:
        raise MissingExtraError(package, extra, purpose)


def versions(*packages: str) -> str:
    """Packages with their versions."""
    return ", ".join(f"{package} {metadata.version(package)}" for package in packages)


def check_device(device: str) -> None:
    """Refuse an unknown device, before anything is read.

    Raises:
        ConfigError: It is not usable here.
    """
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, TypeError) as error:
        message = str(error).splitlines()[0]
        raise ConfigError(f"device: {device!r} is not usable here: {message}") from error
