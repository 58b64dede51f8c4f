"""Where the example data of the package ``recbole`` lie on this machine, if they do."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path

from mrdib_graph.errors import DataError

VARIABLE = "RECBOLE_DATA"
"""Environment variable that names a folder of example data sets; it wins over the package."""


def recbole_example(name: str = "ml-100k") -> Path:
    """The folder of a data set that the package ``recbole`` carries, for :func:`convert`.

    Its wheel holds MovieLens-100K as atomic files, under GroupLens's terms: for research, not to be
    passed on without permission.  Only the place of the package is looked up; nothing of it is
    imported, so ``pip install --no-deps recbole`` is enough.  ``$RECBOLE_DATA`` names the folder
    ``dataset_example`` of an unpacked wheel instead, or one's own with a folder a data set.

    Args:
        name: Name of the data set, ``'ml-100k'``.

    Raises:
        DataError: There is no such folder; the message says where it was looked for.
    """
    places = []
    if folder := os.environ.get(VARIABLE):
        places.append(Path(folder))
    else:
        spec = importlib.util.find_spec("recbole")
        found = [] if spec is None else spec.submodule_search_locations or []
        places += [Path(place) / "dataset_example" for place in found]
    plain = name not in ("", ".", "..") and not any(mark in name for mark in "/\\\0:")
    for place in places if plain else ():
        if (place / name / f"{name}.inter").is_file():
            return place / name
    looked = ", ".join(map(str, places)) or f"no package recbole, and {VARIABLE} is not set"
    raise DataError(
        f"example data {name!r} of recbole: not found ({looked}); run  pip install --no-deps "
        f"recbole  or set {VARIABLE} to the folder dataset_example of its unpacked wheel"
    )
