"""Where feature rows came from: encoder, version, pooling, digests, date."""

from __future__ import annotations

import dataclasses
import json
import types
import typing
from collections.abc import Mapping
from typing import Any

import torch

from mrdib_graph.errors import DataError

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


@dataclasses.dataclass(frozen=True)
class Provenance:
    """The record that stands beside the feature rows of one modality, in memory and on disk.

    Args:
        encoder: What made the rows, such as ``'tfidf-svd'``, ``'minilm'`` or ``'timm:resnet18'``.
        version: Packages and versions that the encoder ran with.
        pooling: How tokens or pixels became one row: ``'mean'``, ``'cls'``, ``'global average'``.
        dimension: Width of the rows.
        dtype: ``'float32'`` or ``'bfloat16'``; the latter is the precision of the values, which a
            file holds as float32.
        num_items: Rows asked for, the missing included.
        missing_items: Items without a row, ascending.
        input_digest: SHA-256 of the texts or image files, in their order.
        output_digest: SHA-256 of the rows that exist, as float32.
        weights_digest: SHA-256 of the weights' files; None where there are none.
        options: The encoder's options.
        date: When the rows were computed, UTC, ISO 8601.
        library_version: Version of mrdib_graph.
        fill: What a file holds in the rows of missing items; None in memory.
        file_digest: SHA-256 of the ``.npy`` file; None in memory.
    """

    encoder: str
    version: str
    pooling: str
    dimension: int
    dtype: str
    num_items: int
    missing_items: tuple[int, ...]
    input_digest: str
    output_digest: str
    weights_digest: str | None
    options: Mapping[str, Any]
    date: str
    library_version: str
    fill: str | None = None
    file_digest: str | None = None

    @property
    def coverage(self) -> float:
        """Share of the items that have a row, from 0 to 1."""
        return 1 - len(self.missing_items) / self.num_items

    def flat(self) -> dict[str, str | int | float]:
        """Short values for a tracker's parameters or tags; the list of items becomes a count."""
        values = dataclasses.asdict(self)
        missing, options = values.pop("missing_items"), values.pop("options")
        rest = {name: value for name, value in values.items() if value is not None}
        return rest | {"num_missing": len(missing), "options": json.dumps(options, sort_keys=True)}

    def to_json(self) -> str:
        """The record as JSON, one field a line."""
        values = dataclasses.asdict(self)
        lines = [f"  {json.dumps(name)}: {json.dumps(value)}" for name, value in values.items()]
        return "{\n" + ",\n".join(lines) + "\n}\n"

    @classmethod
    def from_json(cls, text: str, place: str) -> Provenance:
        """Read what :meth:`to_json` wrote.

        Args:
            text: The JSON.
            place: The file, for messages.

        Raises:
            DataError: It is no such record, or a field is absent, unknown or of another type.
        """
        try:
            values = json.loads(text)
        except ValueError as error:
            raise DataError(f"{place}: not JSON ({error}); encode the features again") from error
        hints = typing.get_type_hints(cls)
        names = set(values) if isinstance(values, dict) else set()
        if names != set(hints):
            raise DataError(
                f"{place}: not a record of feature rows: absent fields "
                f"{sorted(set(hints) - names)}, unknown fields {sorted(names - set(hints))}"
            )
        if isinstance(values["missing_items"], list):
            values["missing_items"] = tuple(values["missing_items"])
        for name, hint in hints.items():
            if not isinstance(values[name], _plain(hint)):
                raise DataError(f"{place}: field '{name}' is {values[name]!r}, expected {hint}")
        items, size = values["missing_items"], values["num_items"]
        if not all(isinstance(item, int) and 0 <= item < size for item in items):
            raise DataError(f"{place}: 'missing_items' holds other values than 0 to {size - 1}")
        if values["dtype"] not in DTYPES:
            raise DataError(
                f"{place}: 'dtype' is {values['dtype']!r}, expected {' or '.join(DTYPES)}"
            )
        return cls(**values)


def _plain(hint: Any) -> Any:
    """A type that isinstance takes: without the parameters of a generic one."""
    return hint if isinstance(hint, types.UnionType) else typing.get_origin(hint) or hint
