import pytest
import torch

from mrdib_graph import metrics, resolver
from mrdib_graph.errors import ConfigError
from mrdib_graph.metrics import AUC, MAP, ColdExposure, Gini, HitRate, Metric


class FirstPlace(Metric):
    """Whether the first place is a hit."""

    def compute(self, ranking):
        return ranking.hits[:, 0]


class Together(Metric):
    """One number of all users."""

    of_set = True

    def compute(self, ranking):
        return ranking.hits.float().mean()


def returning(values):
    class Wrong(Metric):
        def compute(self, ranking):  # noqa: ARG002
            return values

    return Wrong(3)


def test_names():
    names = [m.name for m in (HitRate(20), MAP(5), ColdExposure(1), AUC(), FirstPlace(3))]
    assert names == ["hit_rate@20", "map@5", "cold_exposure@1", "auc", "first_place@3"]
    assert (repr(HitRate(20)), repr(AUC())) == ("HitRate(20)", "AUC()")


def test_names_lead_back_to_the_classes():
    for cls in resolver.choices(metrics, Metric).values():
        assert resolver.resolve_class(cls.label(), metrics, Metric, "metrics") is cls


def test_values_are_float64(ranking_of, lists):
    ranking = ranking_of(lists)
    assert FirstPlace(1)(ranking).dtype == torch.float64
    assert (Together(1)(ranking).dtype, Together(1)(ranking).shape) == (torch.float64, ())


@pytest.mark.parametrize("k", [None, 0, -1, True])
def test_refuses_a_cutoff(k):
    with pytest.raises(ConfigError, match=r"map: got k=.*, expected a cut-off of 1 or more"):
        MAP(k)


def test_refuses_a_cutoff_where_there_is_none():
    with pytest.raises(ConfigError, match=r"auc: got k=5, but it has no cut-off"):
        AUC(5)


@pytest.mark.parametrize(
    ("values", "got"),
    [
        (torch.zeros(()), r"a tensor \[\], expected \[25\], one number for each user"),
        (torch.zeros(25, 6), r"a tensor \[25, 6\], expected \[25\]"),
        (0.5, r"0.5, expected \[25\]"),
        (torch.full((25,), float("nan")), "NaN or infinity"),
    ],
)
def test_refuses_what_compute_returns(ranking_of, lists, values, got):
    with pytest.raises(ConfigError, match=f"metric wrong@3: compute returned {got}"):
        returning(values)(ranking_of(lists))


def test_only_greater_is_better_can_be_monitored():
    HitRate(20).check_monitor()
    with pytest.raises(ConfigError, match="'gini@20' cannot choose the epoch, since a smaller"):
        Gini(20).check_monitor()
    with pytest.raises(ConfigError, match="'cold_exposure@5' cannot choose .* neither a greater"):
        ColdExposure(5).check_monitor()
