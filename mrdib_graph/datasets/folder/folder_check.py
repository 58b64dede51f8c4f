"""Every rule for a folder's files at once, where a reader stops at the first that is broken."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from mrdib_graph.datasets.folder.feature_file import read_features
from mrdib_graph.datasets.folder.folder_record import (
    RECORD,
    foreign_files,
    read_record,
    verify_folder,
)
from mrdib_graph.datasets.folder.mmrec_folder import MMRecFolder
from mrdib_graph.errors import DataError
from mrdib_graph.features.feature_folder import SUFFIX

PICKLES = (".pkl", ".pickle", ".pt", ".pth")


class FolderCheck(NamedTuple):
    """What is wrong, what is allowed and suspicious, and the data set, None where it is wrong."""

    errors: list[str]
    warnings: list[str]
    dataset: MMRecFolder | None


def check_folder(folder: str | Path, split: str = "given", split_seed: int = 0) -> FolderCheck:
    """Check interactions with id tables, each feature file, the record, and all of them together.

    A fault in one of these parts does not hide faults in another; inside a part the first is named.

    Args:
        folder: A folder in the layout of :class:`MMRecFolder`.
        split: ``'given'`` checks the labels, too; a rule of :class:`SplitInteractions` ignores them
            and checks that the rule works on these interactions.
        split_seed: Seed of the rule.

    Raises:
        ConfigError: The rule is unknown.
        DataError: There is no such folder.
    """
    folder = Path(folder)
    errors: list[str] = []

    def works(part: Callable[[], object]) -> bool:
        try:
            part()
        except DataError as error:
            if str(error) not in errors:
                errors.append(str(error))
            return False
        return True

    def read(modalities: list[str] | None) -> MMRecFolder:
        dataset = MMRecFolder(folder, modalities=modalities, split=split, split_seed=split_seed)
        dataset[0]
        return dataset

    def check_features(path: Path, whole: bool) -> None:
        read([path.name.removesuffix(SUFFIX)]) if whole else read_features(path)

    if not folder.is_dir():
        read([])
    with collected_warnings() as warnings:
        warnings += _ignored(folder)
        works(lambda: warnings.extend(_check_record(folder)))
        whole = works(lambda: read([]))
        for path in sorted(folder.glob(f"?*{SUFFIX}")):
            works(partial(check_features, path, whole))
        found = list(dict.fromkeys(warnings))  # a part that is read again says the same again
        dataset = None if errors else read(None)
    return FolderCheck(errors, found, dataset)


@contextmanager
def collected_warnings() -> Iterator[list[str]]:
    """The warnings that the library logs inside the block; they go nowhere else."""
    found: list[str] = []
    logger = logging.getLogger("mrdib_graph")
    handler = logging.Handler(logging.WARNING)
    handler.emit = lambda record: found.append(record.getMessage())  # type: ignore[method-assign]
    propagate = logger.propagate
    logger.addHandler(handler)
    logger.propagate = False
    try:
        yield found
    finally:
        logger.removeHandler(handler)
        logger.propagate = propagate


def _ignored(folder: Path) -> list[str]:
    """What looks like data and is never opened."""
    return [
        f"{path}: is a pickle, which can run code when it is opened: it is not read; save arrays "
        f"as <modality>{SUFFIX}"
        for path in sorted(folder.iterdir())
        if path.suffix in PICKLES or path.name == "user_graph_dict.npy"
    ]


def _check_record(folder: Path) -> list[str]:
    """Compare a built folder with its ``provenance.json``, where it has one."""
    record: dict[str, Any] | None = read_record(folder)
    if record is None:
        return []
    verify_folder(folder, record)
    added = foreign_files(folder, record)
    return [f"{folder / name}: was added after the folder was built ({RECORD})" for name in added]
