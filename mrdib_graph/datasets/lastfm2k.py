"""Last.fm-2K: artists that users listened to, with one text and two audio modalities."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, NamedTuple

import numpy as np
from torch_geometric.data import HeteroData

from mrdib_graph.atomic_file import new_file
from mrdib_graph.datasets.files.checksum import verify
from mrdib_graph.datasets.files.fetch_options import FetchOptions
from mrdib_graph.datasets.files.resumed_download import download_resumed
from mrdib_graph.datasets.folder.feature_file import read_features
from mrdib_graph.datasets.folder.mmrec_folder import MMRecFolder
from mrdib_graph.errors import ConfigError, DataError
from mrdib_graph.transforms.scale_features import ScaleMode

BASE_URL = (
    "https://raw.githubusercontent.com/giuspillo/extending_sota_data_mm_feat/"
    "e8c90c3f93ed14753fec4905d37c401de2255160/4_mmrec/data/lfm2k"
)


class Source(NamedTuple):
    """A file, its size in bytes and SHA-256, and the public file that it comes from."""

    checksum: str
    size: int
    origin: str
    origin_checksum: str
    to_float32: bool = False


_INTER = "a555d4b0bfabe0a11d1758c667eb9a29e574a60bd563848a73f5a6fccda1b0f9"
_TEXT = "b21e98a91fc4ec11e879615f3c47b6f15bdb6e3b7c0d2a9cf0b8008ec83c46b0"
_WHISPER = "2a2690ff74430711e5a9e22889b5b40cc1b931f6250f25501192d7d63cf98995"
SOURCES = {
    "lastfm2k.inter": Source(_INTER, 695_051, "lfm2k.inter", _INTER),
    "text_feat.npy": Source(_TEXT, 2_188_928, "all-MiniLM-L6-v2.npy", _TEXT),
    "audio_vggish_feat.npy": Source(
        "5a8baa1094e49589a3ca5cea2777df8e6460d3b18b6a5828e60b541ad0831659",
        729_728,
        "vggish.npy",
        "50dfedcc27f88929006bc4f425c94c55aa4bce177749b2f93e55fb3d8ac4018c",
        to_float32=True,
    ),
    "audio_whisper_feat.npy": Source(_WHISPER, 2_918_528, "whisper.npy", _WHISPER),
}
NAMES, NAMES_CHECKSUM = (
    "items.tsv",
    "22a94e83c8cef61cc9bcd5ecb27ce59f262af7d6865e524dd6129ee7bfd03590",
)


class LastFM2K(MMRecFolder):
    """1,858 users, 1,425 artists, 56,345 interactions; text [384], VGGish [128], Whisper [512].

    From "See the Movie, Hear the Song, Read the Book: Extending MovieLens-1M, Last.fm 2K, and
    DBbook with Multimodal Data" (RecSys 2025, `doi 10.1145/3705328.3748162
    <https://doi.org/10.1145/3705328.3748162>`_).  The interactions are those of HetRec 2011, "made
    available for non-commercial use"; cite Last.fm and Cantador, Brusilovsky, Kuflik (2011).

    Note:
        The published split (``split='given'``) leaks: the label is a function of a user's row count
        and the position of the artist id (:func:`mrdib_graph.transforms.split_leaks`).  Use it to
        compare implementations only.

    Args:
        root: The folder that holds ``lastfm2k/``.
        split: A rule of :class:`SplitInteractions`; ``'given'`` is the published split.
        split_seed: Seed of the rule.
        modalities: Some of ``text``, ``audio_vggish``, ``audio_whisper``; all by default.
        scale: See :class:`ScaleFeatures`; under ``'auto'`` all three together are scaled.
        download: Fetch files that are absent, 6.5 MB in all.  Item names are not downloaded.
        base_url: Folder of the public files.

    Raises:
        DataError: At the first access: a file is absent or does not have its checksum, or the
            download failed.
    """

    tables: ClassVar[tuple[tuple[str, str], ...]] = ((NAMES, "itemID"),)

    def __init__(
        self,
        root: str | Path = "data",
        split: str = "random",
        split_seed: int = 0,
        modalities: Sequence[str] | None = None,
        scale: ScaleMode = "auto",
        download: bool = False,
        base_url: str = BASE_URL,
    ) -> None:
        known = [name.removesuffix("_feat.npy") for name in SOURCES if name.endswith(".npy")]
        names = known if modalities is None else modalities
        super().__init__(root, "lastfm2k", names, split, split_seed, scale=scale)
        self.download = download
        self.base_url = base_url.rstrip("/")
        self.fetch_options = FetchOptions()

    def load(self) -> HeteroData:
        """Fetch what is absent where asked to, verify every file, and read them."""
        missing = [name for name in self._files() if not (self.folder / name).is_file()]
        if missing and not self.download:
            raise DataError(
                f"{self.folder}: {', '.join(missing)} not found; pass download=True to fetch the "
                f"public files (non-commercial use), or put them there from {self.base_url}"
            )
        for name in missing:
            self._fetch(name)
        advice = "delete it and load with download=True, or read your own version as MMRecFolder"
        for name in self._files():
            verify(self.folder / name, SOURCES[name].checksum, advice)
        if (self.folder / NAMES).exists():
            verify(self.folder / NAMES, NAMES_CHECKSUM, "delete it: item names are optional")
        return super().load()

    def fetch(self, options: FetchOptions | None = None) -> Path:
        """Download the files that are absent, and verify all of them.

        Args:
            options: The first mirror is a folder with the public files; how transfers are repeated.

        Returns:
            The folder.

        Raises:
            ConfigError: A folder of local copies is named: put them into the data set's own.
            DataError: As at loading.
        """
        self.fetch_options = options = options or FetchOptions()
        if options.local is not None or options.any_checksum:
            raise ConfigError(
                f"local files, any_checksum: this set has one version; put copies into "
                f"{self.folder} under the names {', '.join(self._files())}"
            )
        self.base_url = options.mirrors[0].rstrip("/") if options.mirrors else self.base_url
        self.download = True
        self._data = None
        self[0]
        return self.folder

    @property
    def item_ids(self) -> list[str] | None:
        """HetRec's artist id of each item row; None without ``items.tsv``."""
        return self._column(NAMES, "artistID")

    @property
    def item_names(self) -> list[str] | None:
        """The artist's name of each item row; None without ``items.tsv``."""
        return self._column(NAMES, "name")

    def _files(self) -> list[str]:
        wanted = {f"{modality}_feat.npy" for modality in self.requested or ()}
        return [name for name in SOURCES if name in wanted or name.endswith(".inter")]

    def _fetch(self, name: str) -> None:
        source, path = SOURCES[name], self.folder / name
        url = f"{self.base_url}/{source.origin}"
        if not source.to_float32:
            download_resumed(url, path, source.origin_checksum, self.fetch_options)
            return
        raw = self.folder / source.origin
        try:
            download_resumed(url, raw, source.origin_checksum, self.fetch_options)
            with new_file(path, what=f"the table of {source.size} bytes") as made:
                with made.open("wb") as file:
                    np.save(file, read_features(raw).numpy(), allow_pickle=False)
                verify(made, source.checksum, f"converted from {url}; nothing was kept")
        finally:
            raw.unlink(missing_ok=True)
