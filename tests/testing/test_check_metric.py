# ruff: noqa: ARG002
import pytest
import torch
from torch import Tensor

from mrdib_graph import metrics, resolver
from mrdib_graph.metrics import Metric, Ranking, Recall
from mrdib_graph.testing import check_metric


class Reversed(Recall):
    """Fewer hits are called better."""

    greater_is_better = False


class TooLarge(Recall):
    def compute(self, ranking: Ranking) -> Tensor:
        return 1 + super().compute(ranking)


class OfTheOthers(Recall):
    """A user's value depends on who else is there."""

    def compute(self, ranking: Ranking) -> Tensor:
        values = super().compute(ranking)
        return values / values.sum().clamp(min=1)


class OfTheOrder(Metric):
    """The first user weighs more."""

    of_set = True

    def compute(self, ranking: Ranking) -> Tensor:
        return ranking.hits[0, : self.k].double().mean()


class Constant(Metric):
    def compute(self, ranking: Ranking) -> Tensor:
        return torch.full((ranking.hits.size(0),), 0.5)


class Neither(Constant):
    greater_is_better = None


@pytest.mark.parametrize("name", resolver.choices(metrics, Metric))
def test_every_metric_keeps_the_contract(name: str) -> None:
    check_metric(resolver.resolve_class(name, metrics, Metric, "metrics"))


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        (TooLarge, "is not within 0.0 to 1.0"),
        (OfTheOthers, "among others"),
        (OfTheOrder, "the order of the users changes it"),
        (Constant, "held-out items first or last make no difference"),
        (Reversed, "not from better to worse"),
    ],
)
def test_it_says_what_is_wrong(wrong: type[Metric], text: str) -> None:
    with pytest.raises(AssertionError, match=text):
        check_metric(wrong)


def test_without_a_direction_none_is_asked_for() -> None:
    check_metric(Neither)
