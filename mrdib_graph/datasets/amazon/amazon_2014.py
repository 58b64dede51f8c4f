"""The four categories of Amazon Reviews 2014 that published tables use, by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from mrdib_graph.datasets.amazon.amazon_build import AmazonBuild
from mrdib_graph.datasets.amazon.amazon_reviews import AmazonReviews
from mrdib_graph.transforms.scale_features import ScaleMode


class _Amazon2014(AmazonReviews):
    fixed: ClassVar[str]

    def __init__(
        self,
        root: str | Path = "data",
        split: str = "random",
        split_seed: int = 0,
        modalities: Sequence[str] | None = None,
        scale: ScaleMode = "auto",
        filled_as_missing: bool = False,
        build: AmazonBuild | Mapping[str, Any] | None = None,
        download: bool = False,
    ) -> None:
        super().__init__(
            root, self.fixed, 2014, split, split_seed, modalities, scale, filled_as_missing, build,
            download,
        )  # fmt: skip


class AmazonBaby(_Amazon2014):
    """Amazon Baby, 2014: 19,445 users, 7,050 items, 160,792 interactions; image, text.

    Options are those of :class:`AmazonReviews`.
    """

    fixed = "Baby"


class AmazonSports(_Amazon2014):
    """Amazon Sports, 2014: 35,598 users, 18,357 items, 296,337 interactions; image, text.

    Options are those of :class:`AmazonReviews`.
    """

    fixed = "Sports_and_Outdoors"


class AmazonClothing(_Amazon2014):
    """Amazon Clothing, 2014: 39,387 users, 23,033 items, 278,677 interactions; image, text.

    Options are those of :class:`AmazonReviews`.
    """

    fixed = "Clothing_Shoes_and_Jewelry"


class AmazonElectronics(_Amazon2014):
    """Amazon Electronics, 2014: 192,403 users, 63,001 items, 1,689,188 interactions; image, text.

    Options are those of :class:`AmazonReviews`.
    """

    fixed = "Electronics"
