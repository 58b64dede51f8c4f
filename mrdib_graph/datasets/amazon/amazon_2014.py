"""The four categories of Amazon Reviews 2014 that published tables use, by name."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, TypeVar

from mrdib_graph.datasets.amazon.amazon_reviews import AmazonReviews

_Class = TypeVar("_Class", bound=type)


def _category(category: str) -> Callable[[_Class], _Class]:
    """The constructor of :class:`AmazonReviews` without category and edition, which are given."""
    init = AmazonReviews.__init__
    parameters = inspect.signature(init).parameters
    kept = [p for name, p in parameters.items() if name not in ("category", "edition")]
    signature = inspect.Signature(kept)

    @functools.wraps(init)
    def call(*args: Any, **kwargs: Any) -> None:
        init(**signature.bind(*args, **kwargs).arguments, category=category, edition=2014)

    def decorate(cls: _Class) -> _Class:
        cls.__init__ = call  # type: ignore[misc]
        return cls

    call.__signature__ = signature  # type: ignore[attr-defined]
    return decorate


@_category("Baby")
class AmazonBaby(AmazonReviews):
    """Amazon Baby, 2014: 19,445 users, 7,050 items, 160,792 interactions; image, text.

    Options are those of :class:`AmazonReviews`.
    """


@_category("Sports_and_Outdoors")
class AmazonSports(AmazonReviews):
    """Amazon Sports, 2014: 35,598 users, 18,357 items, 296,337 interactions; image, text.

    Options are those of :class:`AmazonReviews`.
    """


@_category("Clothing_Shoes_and_Jewelry")
class AmazonClothing(AmazonReviews):
    """Amazon Clothing, 2014: 39,387 users, 23,033 items, 278,677 interactions; image, text.

    Options are those of :class:`AmazonReviews`.
    """


@_category("Electronics")
class AmazonElectronics(AmazonReviews):
    """Amazon Electronics, 2014: 192,403 users, 63,001 items, 1,689,188 interactions; image, text.

    Options are those of :class:`AmazonReviews`.
    """
