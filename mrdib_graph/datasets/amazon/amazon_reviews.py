"""Amazon Reviews: products, built from public raw files."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch_geometric.data import HeteroData

from mrdib_graph import graph
from mrdib_graph.atomic_file import new_folder, only_one
from mrdib_graph.datasets.amazon.amazon_build import (
    ITEMS,
    MISSED,
    AmazonBuild,
    build_folder,
    check_published,
)
from mrdib_graph.datasets.amazon.build_text import text_identity
from mrdib_graph.datasets.amazon.sources import edition as release_of
from mrdib_graph.datasets.amazon.sources import folder_name, raw_files
from mrdib_graph.datasets.files.fetch_options import FetchOptions
from mrdib_graph.datasets.files.raw_files import DamagedFileError, LocalFile, obtain
from mrdib_graph.datasets.folder.folder_record import (
    RECORD,
    build_key,
    foreign_files,
    read_record,
    verify_folder,
    write_record,
)
from mrdib_graph.datasets.folder.interaction_file import ITEM_COLUMN
from mrdib_graph.datasets.folder.mmrec_folder import MMRecFolder
from mrdib_graph.errors import ConfigError, DataError
from mrdib_graph.features.digests import file_digest
from mrdib_graph.resolver import build as build_options
from mrdib_graph.transforms.scale_features import ScaleMode

logger = logging.getLogger(__name__)


class AmazonReviews(MMRecFolder):
    """Products of one Amazon category with image and text, from the raw files of a release.

    2014: "Image-based Recommendations on Styles and Substitutes" (`arXiv:1506.04757
    <https://arxiv.org/abs/1506.04757>`_) and "Ups and Downs" (`arXiv:1602.01585
    <https://arxiv.org/abs/1602.01585>`_); 2023: "Bridging Language and Items for Retrieval and
    Recommendation" (`arXiv:2403.03952 <https://arxiv.org/abs/2403.03952>`_).  No licence is stated
    for the data of either; cite these papers.

    :meth:`fetch` builds ``<root>/<name>`` once, in the layout that :class:`MMRecFolder` reads:
    interactions of the 5-core, id tables, ``items.tsv`` with title and text of each item, image
    features (2014), and ``provenance.json``.

    Args:
        root: The folder that holds, or will hold, the data set and ``raw/``, its downloads.
        category: A category of the release, ``'Baby'`` or ``'Video_Games'``.
        edition: 2014 or 2023.
        split: A rule of :class:`SplitInteractions`, or ``'given'`` for the one made at the build.
        split_seed: Seed of the rule.
        modalities: Some of the folder's modalities; all by default.
        scale: See :class:`ScaleFeatures`.
        filled_as_missing: Treat images that were filled with the mean as missing: their items get
            no ``describes`` edge.  Published results use the filled rows.
        build: An :class:`AmazonBuild`, or its options by name.
        download: Fetch at the first access what was not built yet.

    Raises:
        DataError: At the first access: the folder is absent, or is not what was built.
        ConfigError: An option is unknown or out of range.
    """

    tables: ClassVar[tuple[tuple[str, str], ...]] = (
        *MMRecFolder.tables,
        (ITEMS, ITEM_COLUMN),
    )

    def __init__(
        self,
        root: str | Path = "data",
        category: str = "Baby",
        edition: int = 2014,
        split: str = "random",
        split_seed: int = 0,
        modalities: Sequence[str] | None = None,
        scale: ScaleMode = "auto",
        filled_as_missing: bool = False,
        build: AmazonBuild | Mapping[str, Any] | None = None,
        download: bool = False,
    ) -> None:
        self.release = release_of(edition)
        self.edition, self.category = edition, category
        name = folder_name(edition, category)
        super().__init__(root, name, modalities, split, split_seed, scale=scale)
        self.filled_as_missing = filled_as_missing
        self.asked = build
        self.build: AmazonBuild = (
            build
            if isinstance(build, AmazonBuild)
            else build_options(AmazonBuild, build or {}, "build")
        )
        self.download = download

    def load(self) -> HeteroData:
        """Check every file against the provenance, and read them."""
        record = read_record(self.folder) if self.folder.is_dir() else None
        if record is None and self.download:
            self.fetch()
            record = read_record(self.folder)
        if record is None:
            raise DataError(
                f"{self.folder / RECORD}: not found; build the folder with  mrdib-graph "
                f"datasets fetch {self._command()} --root {self.folder.parent}"
            )
        verify_folder(self.folder, record)
        options = record.get("options")
        core = options.get("core") if isinstance(options, dict) else None
        if self.asked is not None and core != self.build.core:
            raise DataError(
                f"{self.folder}: is the {core}-core, asked for is the {self.build.core}-core; "
                "fetch it again with that option"
            )
        data = super().load()
        return self._without_filled(data) if self.filled_as_missing else data

    def fetch(self, options: FetchOptions | None = None) -> Path:
        """Obtain the raw files and build the folder; nothing is done where it is up to date.

        The folder appears when it is complete.  It is built again where a raw file, an option, the
        split or the library's data version differs; files that are not of a build are never lost.

        Returns:
            The folder.

        Raises:
            DataError: A raw file cannot be had, is damaged, malformed or another version; or the
                folder holds files that this method did not make.
            ConfigError: The split is ``'given'``, which raw files do not have.
        """
        options = options or FetchOptions()
        if self.splitter.rule == "given":
            raise ConfigError("split: raw files have no split; name a rule, such as 'random'")
        images = self.build.images and "image" not in self.build.features
        reviews = self.build.interactions == "reviews"
        wanted = raw_files(self.edition, self.category, reviews, images)
        if isinstance(self.build.encode_text, str | Mapping):
            text_identity(self.build.encode_text)  # an encoder that is absent, before the downloads
        with only_one(self.folder):
            raw = self.folder.parent / "raw" / f"amazon-{self.edition}"
            found = {
                part: obtain(file, raw, self.release.addresses, options)
                for part, file in wanted.items()
            }
            inputs = self._inputs(found)
            key = build_key(inputs)
            known = self.build.encode_text is None or inputs["options"]["encode_text"]
            if self._is_current(key if known else ""):
                logger.info("%s: up to date", self.folder)
                return self.folder
            self._build(found, inputs, key, options)
        self._data = None
        return self.folder

    @property
    def item_names(self) -> list[str] | None:
        """The title of each item row; empty where the metadata has none."""
        return self._column(ITEMS, "title")

    @property
    def item_texts(self) -> list[str] | None:
        """The assembled text of each item row, for an encoder; read at the first access."""
        self[0]
        return self._column(ITEMS, "text")

    def _inputs(self, found: Mapping[str, LocalFile]) -> dict[str, Any]:
        """What a build follows from, as plain data."""
        made: dict[str, Any] = {"features": {}}
        for name in ("core", "interactions", "images", "bad_lines"):
            made[name] = getattr(self.build, name)
        for modality, path in self.build.features.items():
            if not Path(path).is_file():
                raise DataError(f"{path}: there is no such feature file for '{modality}'")
            made["features"][modality] = file_digest(Path(path))
        # A function does not say what it does: without a fingerprint nothing of it is reused.
        made["encode_text"] = getattr(self.build.encode_text, "fingerprint", None)
        if isinstance(self.build.encode_text, str | Mapping):
            made["encode_text"] = text_identity(self.build.encode_text)
        sources = {part: file.checksum for part, file in found.items()}
        rule = {"rule": self.splitter.rule, "seed": self.splitter.seed}
        return {"sources": sources, "options": made, "split": rule}

    def _is_current(self, key: str) -> bool:
        """Whether the folder was built with this key; logged or refused where it has to go."""
        if not self.folder.exists():
            return False
        record = read_record(self.folder)
        if record is not None and record["key"] == key:
            try:
                verify_folder(self.folder, record)
                return True
            except DataError as error:
                logger.warning("%s", error)
        if foreign := foreign_files(self.folder, record):
            raise DataError(
                f"{self.folder}: would be built anew, and holds files that were not made by this "
                f"command: {', '.join(foreign[:5])}; move them, or the folder, away"
            )
        logger.warning("%s: built from other inputs or changed; it is built anew", self.folder)
        return False

    def _build(
        self,
        found: Mapping[str, LocalFile],
        inputs: Mapping[str, Any],
        key: str,
        options: FetchOptions,
    ) -> None:
        paths = {part: file.path for part, file in found.items()}

        def check(counts: Mapping[str, int]) -> None:
            if self.edition == 2014:
                check_published(self.category, counts, options.any_checksum)

        try:
            with new_folder(self.folder) as made:
                steps = build_folder(
                    made, self.name, paths, self.release, self.build, self.splitter, check
                )
                record = {
                    "data_set": self.name, "edition": self.edition, "category": self.category,
                    "key": key, "options": inputs["options"], "split": inputs["split"],
                    "sources": {part: file.record() for part, file in found.items()},
                    "steps": steps,
                }  # fmt: skip
                write_record(made, record)
        except DamagedFileError as error:
            file = next(file for file in found.values() if file.path == error.path)
            if not file.downloaded:
                raise
            error.path.unlink()
            raise DataError(
                f"{error}; it came from {file.source} and was removed: fetch it again"
            ) from error

    def _without_filled(self, data: HeteroData) -> HeteroData:
        path = self.folder / MISSED
        if "image" in graph.modalities(data) and path.is_file():
            rows = [int(line.split("\t")[1]) for line in path.read_text().splitlines()[1:]]
            mask = torch.ones(graph.num_items(data), dtype=torch.bool)
            mask[rows] = False
            graph.add_modality(data, "image", data["image"].x[mask], mask.nonzero().squeeze(1))
        return data

    def _command(self) -> str:
        if type(self) is not AmazonReviews:
            return self.name
        return f"amazon-reviews --set category={self.category} --set edition={self.edition}"
