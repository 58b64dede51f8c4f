"""The data set that a run names."""

from __future__ import annotations

import inspect
from dataclasses import fields
from pathlib import Path
from typing import Any

from mrdib_graph import datasets, resolver
from mrdib_graph.datasets import MMRecFolder, MultimodalDataset
from mrdib_graph.errors import ConfigError
from mrdib_graph.experiment.config import RunConfig
from mrdib_graph.options import check_options

_DEFAULTS = {f.name: f.default for f in fields(RunConfig) if f.name in ("split", "split_seed")}
_DEFAULTS["modalities"] = None


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
    in_a_file = ".py:" in config.dataset
    if ("/" in config.dataset or path.is_dir()) and not in_a_file:
        return _build(MMRecFolder, {**asked, "root": path}, config.dataset_options)
    cls = resolver.resolve_class(config.dataset, datasets, MultimodalDataset, "dataset")
    return _build(cls, {**asked, "root": config.root}, config.dataset_options)


def _build(cls: type, asked: dict[str, Any], options: dict[str, Any]) -> MultimodalDataset:
    parameters = inspect.signature(cls).parameters
    if "root" not in parameters:  # a generator: it makes its own split and modalities
        for name, default in _DEFAULTS.items():
            if asked[name] != default:
                raise ConfigError(
                    f"{name}: {cls.__name__} makes its split and its modalities itself; leave "
                    f"--{name.replace('_', '-')} out, or see the data set's own options"
                )
        asked = {}
    check_options(cls, options, f"dataset {cls.__name__}", set(asked))
    given = {name: value for name, value in asked.items() if name in parameters}
    built: MultimodalDataset = cls(**given, **options)
    return built
