"""What a bundle's parts must look like, whether they come from a caller or from a file."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from mrdib_graph.errors import ConfigError, DataError
from mrdib_graph.graph import check_rows
from mrdib_graph.options import check_options
from mrdib_graph.serving.id_map import text_of_rows
from mrdib_graph.serving.recommend import History
from mrdib_graph.serving.storage import BundleInfo


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Turn what is wrong with an argument into what is wrong with the file that it came from."""
    try:
        yield
    except ConfigError as error:
        raise DataError(f"{path}: {error}") from error


def plain(table: Tensor) -> Tensor:
    """A table as contiguous float32 in main memory, cut from its graph.

    Raises:
        ConfigError: It is no tensor of a float type.
    """
    if not isinstance(table, Tensor) or not table.is_floating_point():
        came = table.dtype if isinstance(table, Tensor) else type(table).__name__
        raise ConfigError(f"table: got {came}, expected a tensor of a float type")
    return table.detach().to("cpu", torch.float32).contiguous()


def check_tables(user_table: Tensor, item_table: Tensor) -> None:
    """Raise a ``ConfigError`` unless both are [n, w] of one w and every score is finite."""
    for name, table in (("user_table", user_table), ("item_table", item_table)):
        if table.dim() != 2 or 0 in table.shape:
            raise ConfigError(f"{name}: shape is {tuple(table.shape)}, expected [n, w], n, w >= 1")
        bad = ~torch.isfinite(table)
        if bool(bad.any()):
            row, column = bad.nonzero()[0].tolist()
            raise ConfigError(
                f"{name}: {int(bad.sum())} values are NaN or infinite, the first at row {row}, "
                f"column {column}"
            )
    if user_table.size(1) != item_table.size(1):
        raise ConfigError(
            f"user_table is {user_table.size(1)} wide and item_table {item_table.size(1)}: an "
            "inner product needs equal widths"
        )
    users, items = user_table.norm(dim=1).max(), item_table.norm(dim=1).max()
    if not bool(torch.isfinite(torch.maximum(users, items) * items)):  # Cauchy-Schwarz bound
        raise ConfigError("tables: values are so large that scores overflow float32")


def check_history(history: History, num_users: int, num_items: int) -> None:
    """Raise a ``ConfigError`` unless the arrays are a valid CSR matrix [U, I]."""
    crow, col = history
    if crow.numel() != num_users + 1:
        raise ConfigError(f"crow has {crow.numel()} values, expected {num_users + 1}")
    if int(crow[0]) != 0 or int(crow[-1]) != col.numel() or bool((crow.diff() < 0).any()):
        raise ConfigError(f"crow must rise from 0 to {col.numel()}, the length of col")
    check_rows("col", col, num_items)


def checked_names(names: Sequence[str] | None, num_items: int) -> list[str] | None:
    """Item names as a list, after checking number and type."""
    return None if names is None else text_of_rows(names, num_items, "item", "names")


def tensor(tensors: Mapping[str, Tensor], name: str, dim: int, dtype: torch.dtype) -> Tensor:
    """A tensor of a file, with the expected number of dimensions and type."""
    if name not in tensors:
        raise ConfigError(f"'{name}' is missing; the file has {', '.join(tensors) or 'nothing'}")
    value = tensors[name]
    if value.dim() != dim or value.dtype != dtype:
        raise ConfigError(
            f"'{name}' is {value.dtype} of shape {tuple(value.shape)}, expected {dtype} with {dim} "
            "dimensions"
        )
    return value


def text_list(content: Any) -> list[str]:
    """The content of an id or name file, which must be a JSON list."""
    if not isinstance(content, list):
        raise ConfigError(f"the file holds a JSON {type(content).__name__}, expected a list")
    return content


def bundle_info(content: Mapping[str, Any]) -> BundleInfo:
    """The header's ``info`` object, every field present and of its type."""
    fields = {field.name for field in dataclasses.fields(BundleInfo)}
    if set(content) != fields:
        raise ConfigError(
            f"'info' has the fields {', '.join(sorted(content))}, expected "
            f"{', '.join(sorted(fields))}"
        )
    check_options(BundleInfo, content, "'info'")
    return BundleInfo(**content)
