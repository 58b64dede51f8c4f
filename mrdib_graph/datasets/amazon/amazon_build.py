"""From raw files of Amazon Reviews to a folder in the field's layout, step by step."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from mrdib_graph import graph
from mrdib_graph.datasets.amazon.build_text import check_encoder, write_texts
from mrdib_graph.datasets.amazon.item_text import read_texts
from mrdib_graph.datasets.amazon.k_core import first_of_each, k_core, number
from mrdib_graph.datasets.amazon.sources import PUBLISHED, Edition
from mrdib_graph.datasets.conversion.image_records import copy_image_features
from mrdib_graph.datasets.files.raw_interactions import RawInteractions, read_reviews
from mrdib_graph.datasets.folder.feature_file import read_features
from mrdib_graph.datasets.folder.folder_files import write_interactions, write_table
from mrdib_graph.datasets.folder.interaction_file import (
    ITEM_COLUMN,
    LABEL_COLUMN,
    TIME_COLUMN,
    USER_COLUMN,
)
from mrdib_graph.errors import ConfigError, DataError
from mrdib_graph.features.feature_folder import check_modality
from mrdib_graph.options import Count, Probability, checked
from mrdib_graph.transforms.split_interactions import SplitInteractions

logger = logging.getLogger(__name__)

ITEMS, MISSED = "items.tsv", "missed_img_itemIDs.csv"
Encoder = Callable[[Sequence[str]], Any]
Steps = dict[str, dict[str, Any]]


@checked
@dataclass(frozen=True)
class AmazonBuild:
    """How :meth:`AmazonReviews.fetch` makes a folder.

    Args:
        core: Least number of rows of each user and item.
        interactions: ``'ratings'`` reads the ratings; ``'reviews'`` the 5-core reviews of 2014.
        images: Read the image features of the 2014 release, up to 8.7 GB.
        features: ``.npy`` files [I, width] by modality, rows in the order of ``items.tsv``; an
            ``image`` here takes the place of the released one.
        encode_text: What makes the modality ``text``: an encoder of
            :func:`mrdib_graph.features.encode_text` by name, or its options (``encoder``, ``dim``,
            ``seed``, ``pooling``, ``batch_size``, ``device``, ``download``); or a function from I
            texts to an array [I, width].  A function's attribute ``fingerprint``, a text, says
            which encoder and version it is; without one, every fetch encodes again.
        bad_lines: Share of lines of a raw file, in [0, 1), that may be unreadable.

    Raises:
        ConfigError: An option is out of range, or two give the same modality.
    """

    core: Count = 5
    interactions: Literal["ratings", "reviews"] = "ratings"
    images: bool = True
    features: Mapping[str, str | Path] = field(default_factory=dict)
    encode_text: Encoder | str | Mapping[str, Any] | None = None
    bad_lines: Probability = 0.0

    def __post_init__(self) -> None:
        for modality in self.features:
            check_modality(modality, "features", ConfigError)
        if self.encode_text is not None:
            check_encoder(self.encode_text, self.features)


def build_folder(
    folder: Path,
    name: str,
    files: Mapping[str, Path],
    release: Edition,
    options: AmazonBuild,
    splitter: SplitInteractions,
    check_core: Callable[[Mapping[str, int]], None],
) -> Steps:
    """Write everything but the provenance into an empty folder.

    ``check_core`` is called with users, items and rows of the core, before the longer steps.

    Returns:
        Counts of every step: ``read``, ``core``, ``split``, ``text``, and features by modality.

    Raises:
        DataError: A raw file is damaged or malformed, or features do not fit the items.
    """
    steps: Steps = {}
    read = read_reviews if options.interactions == "reviews" else release.read_ratings
    raw, steps["read"] = read(files["interactions"], options.bad_lines)
    _log("read", steps)
    users, items = _interactions(folder / f"{name}.inter", raw, options.core, splitter, steps)
    del raw
    check_core(steps["core"])
    write_table(folder / "u_id_mapping.csv", user_id=users, userID=range(len(users)))
    write_table(folder / "i_id_mapping.csv", asin=items, itemID=range(len(items)))
    rows = {item: row for row, item in enumerate(items)}
    titles, texts, steps["text"] = read_texts(
        files["metadata"], rows, release.key, release.compose, options.bad_lines
    )
    _log("text", steps)
    write_table(folder / ITEMS, itemID=range(len(items)), asin=items, title=titles, text=texts)
    if options.encode_text is not None:
        steps["text features"] = _encode(folder, texts, options.encode_text)
        _log("text features", steps)
    del texts, titles
    if "images" in files:
        found = copy_image_features(files["images"], folder / "image_feat.npy", rows)
        steps["image features"] = found.counts
        missed = [items[row] for row in found.missing]
        write_table(folder / MISSED, asin=missed, itemID=found.missing)
        _log("image features", steps)
    for modality, path in options.features.items():
        steps[f"{modality} features"] = _copy(Path(path), folder, modality, len(items))
    return steps


def _interactions(
    path: Path, raw: RawInteractions, core: int, splitter: SplitInteractions, steps: Steps
) -> tuple[list[str], list[str]]:
    """Core, numbers and split; the raw ids of users and items by number."""
    first, repeats = first_of_each(raw.user, raw.item, raw.time)
    found = k_core(raw.user[first], raw.item[first], core)
    rows = first[found.rows]
    user, user_codes = number(raw.user[rows])
    item, item_codes = number(raw.item[rows])
    counts = {"users": len(user_codes), "items": len(item_codes), "rows": len(rows)}
    steps["core"] = {"core": core, "rounds": found.rounds, **repeats, **counts}
    _log("core", steps)
    edges, time = torch.from_numpy(np.stack([user, item])), torch.from_numpy(raw.time[rows])
    data = splitter(graph.new_graph(len(user_codes), len(item_codes), edges, time=time))
    label = graph.split_labels(data)
    steps["split"] = {"rule": data.split_rule}
    steps["split"] |= {split: int((label == v).sum()) for v, split in enumerate(graph.SPLITS)}
    _log("split", steps)
    columns = {USER_COLUMN: user, ITEM_COLUMN: item, "rating": raw.rating[rows]}
    columns |= {TIME_COLUMN: raw.time[rows], LABEL_COLUMN: label.numpy()}
    write_interactions(path, columns)
    return [raw.user_ids[code] for code in user_codes], [raw.item_ids[code] for code in item_codes]


def check_published(category: str, counts: Mapping[str, int], any_checksum: bool) -> None:
    """Compare a 5-core of the 2014 release with the published numbers.

    Raises:
        DataError: They differ, and other versions are not accepted.
    """
    published = PUBLISHED.get(category)
    found = (counts["users"], counts["items"], counts["rows"])
    if published is None or counts["core"] != 5 or found == published[:3]:
        return
    message = f"{category}: users, items, rows are {found}, published are {published[:3]}"
    if not any_checksum:
        raise DataError(
            f"{message}; the raw file is another version or not complete: get it again, or accept "
            "it with any_checksum (--any-checksum)"
        )
    logger.warning(message)


def _encode(
    folder: Path, texts: Sequence[str], encode: Encoder | str | Mapping[str, Any]
) -> dict[str, Any]:
    if isinstance(encode, str | Mapping):
        return write_texts(folder, texts, encode)
    path, x = folder / "text_feat.npy", encode(texts)
    x = x.detach().cpu().numpy() if isinstance(x, torch.Tensor) else np.asarray(x)
    np.save(path, x, allow_pickle=False)
    name = getattr(encode, "__qualname__", type(encode).__qualname__)
    return {"encoder": f"{encode.__module__}.{name}", **_shape(path, path, len(texts))}


def _copy(source: Path, folder: Path, modality: str, num_items: int) -> dict[str, Any]:
    counts = {"copied from": str(source.resolve()), **_shape(source, source, num_items)}
    shutil.copyfile(source, folder / f"{modality}_feat.npy")
    return counts


def _shape(path: Path, shown: Path, num_items: int) -> dict[str, int]:
    x = read_features(path)
    if x.size(0) != num_items:
        raise DataError(
            f"{shown}: {x.size(0)} rows, and there are {num_items} items; row i must be the item "
            "of line i of items.tsv"
        )
    return {"rows": x.size(0), "width": x.size(1)}


def _log(step: str, steps: Steps) -> None:
    logger.info("%s: %s", step, ", ".join(f"{name} {count}" for name, count in steps[step].items()))
