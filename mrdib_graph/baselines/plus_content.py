"""A collaborative score and the cosine of content, brought to one scale and added."""

from __future__ import annotations

from torch import Tensor

from mrdib_graph.baselines.baseline import Baseline, SciPyMatrix
from mrdib_graph.baselines.content_knn import ContentKNN
from mrdib_graph.baselines.ease import EASE
from mrdib_graph.baselines.item_knn import ItemKNN
from mrdib_graph.baselines.two_parts import TwoParts
from mrdib_graph.options import Count, NonNegative, Positive, checked


def standardise(scores: Tensor) -> Tensor:
    """Scores of each user less their mean over all items, by their standard deviation.

    The deviation is that of all I items, divided by I; a row of equal scores becomes zeros.

    Shapes:
        [B, I] -> [B, I].
    """
    centred = scores - scores.mean(1, keepdim=True)
    return centred / centred.square().mean(1, keepdim=True).sqrt().clamp(min=1e-12)


class PlusContent(TwoParts):
    """A collaborative baseline plus :class:`ContentKNN` with all items as neighbours.

    Args:
        collaborative: The part that reads interactions.
        content_weight: w.
    """

    def __init__(self, collaborative: Baseline, content_weight: float) -> None:
        super().__init__(collaborative, ContentKNN(), content_weight)

    def _score(self, users: Tensor, histories: SciPyMatrix) -> Tensor:  # noqa: ARG002
        scores = standardise(self.collaborative.score(users))
        return scores + self.content_weight * standardise(self.content.score(users))


class EASEContent(PlusContent):
    r"""EASE plus the cosine of content with the user's mean item, each as z-scores of a user's row.

    With :math:`a_{ui}` of :class:`EASE`, :math:`c_{ui}` of :class:`ContentKNN` with ``k=None``, and
    mean and standard deviation of a user's scores taken over all I items, training items included
    (:math:`\sigma` divides by I; where it is 0 the z-scores are 0):

    .. math::
        z(a)_{ui} = \frac{a_{ui} - \frac1I \sum_j a_{uj}}{\sigma_u(a)}, \qquad
        y_{ui} = z(a)_{ui} + w \, z(c)_{ui}

    Two closed forms without any training of content: what a trained recommender that reads content
    has to beat.

    Args:
        content_weight: w; 0 is EASE.
        l2_weight: Of :class:`EASE`.
        max_items: Of :class:`EASE`.

    Raises:
        ConfigError: A value is out of range.
    """

    name = "ease+content"

    @checked
    def __init__(
        self,
        content_weight: NonNegative = 1.5,
        l2_weight: Positive = 100.0,
        max_items: Count = 20_000,
    ) -> None:
        super().__init__(EASE(l2_weight, max_items), content_weight)


class ItemKNNContent(PlusContent):
    """Item kNN plus the cosine of content with the user's mean item, as :class:`EASEContent`.

    Args:
        content_weight: w; 0 is item kNN.
        k: Of :class:`ItemKNN`.
        shrink: Of :class:`ItemKNN`.

    Raises:
        ConfigError: A value is out of range.
    """

    name = "itemknn+content"

    @checked
    def __init__(
        self, content_weight: NonNegative = 1.5, k: Count = 100, shrink: NonNegative = 0.0
    ) -> None:
        super().__init__(ItemKNN(k, shrink), content_weight)
