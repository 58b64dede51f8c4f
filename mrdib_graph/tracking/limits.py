"""What a tracking server accepts: flat names of allowed characters, values of bounded length."""

from __future__ import annotations

import hashlib
import json
import posixpath
import re
from collections.abc import Mapping

MAX_KEY = 250
MAX_PARAM = 6_000
MAX_TAG = 8_000
MAX_DATASET_NAME = 500
MAX_DATASET_DIGEST = 36
MAX_PARAMS_PER_CALL = 100
MAX_METRICS_PER_CALL = 1_000


def clean_name(name: str) -> str:
    """A name that MLflow takes for a metric, parameter or tag.

    ``recall@20`` becomes ``recall_at_20`` (MLflow refuses ``@``), every other forbidden character
    an underscore; a name above 250 characters is cut and ends in a hash of the whole name, so two
    long names stay apart.
    """
    clean = re.sub(r"[^/\w.\- ]", "_", name.replace("@", "_at_"))
    clean = posixpath.normpath(clean).lstrip("/")
    while clean.startswith(".."):  # MLflow treats names as paths that must stay inside the run
        clean = "_" + clean[2:]
    clean = "_" if clean in ("", ".") else clean
    if len(clean) <= MAX_KEY:
        return clean
    digest = hashlib.sha256(name.encode()).hexdigest()[:8]
    return f"{clean[: MAX_KEY - 9]}-{digest}"


def cut(text: str, limit: int) -> str:
    """The text, or its head and an ellipsis where it is longer than the limit."""
    return text if len(text) <= limit else text[: limit - 1] + "\u2026"


def flatten(params: Mapping[str, object], prefix: str = "") -> dict[str, str]:
    """Nested settings to flat text within MLflow's limits: ``{'a': {'b': 1}}`` -> ``{'a.b': '1'}``.

    Lists and tuples become JSON, everything else ``str``.
    """
    flat: dict[str, str] = {}
    for key, value in params.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping) and value:
            flat.update(flatten(value, f"{name}."))
        elif isinstance(value, (list, tuple, dict)):
            flat[clean_name(name)] = cut(json.dumps(value, default=str), MAX_PARAM)
        else:
            flat[clean_name(name)] = cut(str(value), MAX_PARAM)
    return flat


def clean_tags(tags: Mapping[str, str]) -> dict[str, str]:
    """Tags with names and values that MLflow takes."""
    return {clean_name(key): cut(str(value), MAX_TAG) for key, value in tags.items()}


def json_text(value: Mapping[str, object]) -> str:
    """A mapping as JSON, with ``str`` for whatever JSON cannot hold."""
    return json.dumps(dict(value), default=str)
