"""The data set that a run names."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

from mrdib_graph import datasets, resolver
from mrdib_graph.config import RunConfig
from mrdib_graph.datasets import MMRecFolder, MultimodalDataset
from mrdib_graph.errors import ConfigError


def open_dataset(config: RunConfig) -> MultimodalDataset:
    """The data set of a configuration, not loaded yet.

    A name is looked up among the library's data sets; a path, anything with a separator or an
    existing folder, is read as a folder in the field's layout.  ``root``, ``split``,
    ``split_seed`` and ``modalities`` go to a constructor that has them.

    Raises:
        ConfigError: An unknown name or option.
    """
    path = Path(config.dataset)
    asked = {
        "split": config.split,
        "split_seed": config.split_seed,
        "modalities": config.modalities,
    }
    if ("/" in config.dataset or path.is_dir()) and not config.dataset.endswith(".py"):
        return _build(MMRecFolder, {**asked, "root": path}, config.dataset_options)
    cls = resolver.resolve_class(config.dataset, datasets, MultimodalDataset, "dataset")
    return _build(cls, {**asked, "root": config.root}, config.dataset_options)


def _build(cls: type, asked: dict[str, Any], options: dict[str, Any]) -> MultimodalDataset:
    parameters = inspect.signature(cls).parameters
    if "root" not in parameters:  # a generator: it makes its own split and modalities
        if asked["modalities"] is not None:
            raise ConfigError(
                f"modalities: {cls.__name__} makes its modalities itself; leave --modalities out, "
                "or set dataset_options.modalities"
            )
        asked = {}
    given = {name: value for name, value in asked.items() if name in parameters}
    built: MultimodalDataset = resolver.build(cls, {**given, **options}, f"dataset {cls.__name__}")
    return built
