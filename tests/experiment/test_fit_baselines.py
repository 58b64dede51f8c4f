"""Baselines in closed form: chosen on validation, scored once on test."""

import logging
from typing import Any

import pytest
import torch
from torch_geometric.data import HeteroData

from mrdib_graph import baselines
from mrdib_graph.baselines import (
    EASE,
    Baseline,
    ContentKNN,
    EASEContent,
    ItemKNN,
    ItemKNNContent,
    Popularity,
)
from mrdib_graph.cli.exports import exported
from mrdib_graph.errors import ConfigError
from mrdib_graph.evaluation import Evaluator
from mrdib_graph.experiment import fit_baselines
from mrdib_graph.experiment.config import DEFAULT_BASELINES
from mrdib_graph.experiment.fit_baselines import Fits, fitting_baselines
from mrdib_graph.resolver import choices, key
from mrdib_graph.testing import tiny_data

MONITOR = "recall@20"


def test_names() -> None:
    assert fit_baselines.baseline_class("EASE") is EASE
    assert fit_baselines.baseline_class("item_knn") is ItemKNN
    assert fit_baselines.baseline_class("ease+content") is EASEContent
    assert fit_baselines.baseline_class("lattice") is None
    fit_baselines.check_baseline("popularity")
    with pytest.raises(ConfigError, match="'eas' is unknown; did you mean 'ease'"):
        fit_baselines.check_baseline("eas")


def test_every_baseline_has_a_grid_of_its_options() -> None:
    assert set(fit_baselines._GRIDS) == set(choices(baselines, Baseline))
    for name, grid in fit_baselines._GRIDS.items():
        cls = fit_baselines.baseline_class(name)
        assert cls is not None
        for options in grid:
            cls(**options)


@pytest.mark.parametrize(
    ("name", "cls"), [("itemknn", ItemKNN), ("ease", EASE), ("content-knn", ContentKNN)]
)
def test_the_best_point_on_validation_is_taken(name: str, cls: type, data: HeteroData) -> None:
    evaluator = Evaluator(data)
    by_hand = []
    for options in fit_baselines._GRIDS[key(name)]:
        score = cls(**options).fit(data).score
        val = evaluator.evaluate_scores(score, "val").mean
        by_hand.append((val[MONITOR], val, evaluator.evaluate_scores(score, "test").mean))
    assert len({value for value, _, _ in by_hand}) > 1  # the points differ
    arm = Fits(data, evaluator, MONITOR).run(name)
    assert arm is not None
    assert (arm.backbone, arm.arm) == (name, "closed-form")
    [seed] = arm.seeds
    best = max(by_hand, key=lambda point: point[0])
    assert seed.val == best[1] and seed.test == best[2]
    assert (seed.seed, seed.best_epoch, seed.epochs) == (0, 0, 1) and seed.seconds_per_epoch > 0


def test_popularity_has_nothing_to_choose(data: HeteroData) -> None:
    evaluator = Evaluator(data)
    arm = Fits(data, evaluator, MONITOR).run("Popularity")
    expected = evaluator.evaluate_scores(Popularity().fit(data).score, "test")
    assert arm is not None and arm.backbone == "popularity"
    assert arm.seeds[0].test == expected.mean and torch.equal(arm.seeds[0].users, expected.users)


def test_data_that_are_too_large_leave_it_out(
    data: HeteroData, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(fit_baselines._GRIDS, "ease", [{"max_items": 10}])
    with caplog.at_level(logging.WARNING):
        assert Fits(data, Evaluator(data), MONITOR).run("ease") is None
    assert "baseline ease left out" in caplog.text and "100 items" in caplog.text


@pytest.mark.parametrize(
    ("cls", "inner", "name", "settings"),
    [
        (EASEContent, EASE, "ease", ("l2_weight",)),
        (ItemKNNContent, ItemKNN, "itemknn", ("k", "shrink")),
    ],
)
def test_the_weight_of_content_is_found_by_validation(
    cls: type, inner: type, name: str, settings: tuple[str, ...], data: HeteroData
) -> None:
    """The two settings that are best alone, each with every weight, fitted anew here."""
    evaluator = Evaluator(data)

    def value(baseline: Baseline) -> float:
        return evaluator.evaluate_scores(baseline.fit(data).score, "val").mean[MONITOR]

    alone = [(value(inner(**o)), o) for o in fit_baselines._GRIDS[name]]
    few = [o for _, o in sorted(alone, key=lambda point: -point[0])[:2]]
    weights = [o["content_weight"] for o in fit_baselines._GRIDS[key(cls.__name__)]]
    points = [(value(cls(w, **o)), w, o) for o in few for w in weights]
    best = max(points, key=lambda point: point[0])
    found = Fits(data, evaluator, MONITOR).best(f"{name}+content")
    assert found is not None and isinstance(found.baseline, EASEContent | ItemKNNContent)
    assert type(found.baseline) is cls
    assert found.val.mean[MONITOR] == best[0]
    assert found.baseline.content_weight == best[1]
    assert {s: getattr(found.baseline.collaborative, s) for s in settings} == best[2]


def test_a_part_is_fitted_once_for_all_weights(
    data: HeteroData, monkeypatch: pytest.MonkeyPatch
) -> None:
    fitted: list[float] = []
    fit = EASE._fit

    def count(self: EASE, *given: Any) -> None:
        fitted.append(self.l2_weight)
        fit(self, *given)

    monkeypatch.setattr(EASE, "_fit", count)
    fits = Fits(data, Evaluator(data), MONITOR)
    rows = [fits.run(name) for name in ("ease", "ease+content", "EASE")]
    assert fitted == [o["l2_weight"] for o in fit_baselines._GRIDS["ease"]]
    assert [row.backbone for row in rows if row] == ["ease", "ease+content", "ease"]


def test_every_baseline_runs_under_the_name_that_is_listed(data: HeteroData) -> None:
    fits = Fits(data, Evaluator(data), MONITOR)
    for name in exported("baselines"):
        row = fits.run(name)
        assert row is not None and row.backbone == name


def test_content_comes_by_default_where_there_is_some(caplog: pytest.LogCaptureFixture) -> None:
    without = tiny_data(modalities=())
    assert fitting_baselines(DEFAULT_BASELINES, tiny_data()) == DEFAULT_BASELINES
    assert fitting_baselines(DEFAULT_BASELINES, without) == ["popularity", "itemknn", "ease"]
    asked = ["ease", "ease+content"]
    assert fitting_baselines(asked, without) == asked
    assert caplog.text == ""
    assert Fits(without, Evaluator(without), MONITOR).run("ease+content") is None
    assert "baseline ease+content left out: content-knn: the graph has no modality" in caplog.text
