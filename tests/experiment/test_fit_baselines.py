"""Baselines in closed form: chosen on validation, scored once on test."""

import logging

import pytest
import torch
from torch_geometric.data import HeteroData

from mrdib_graph.baselines import EASE, ItemKNN, Popularity
from mrdib_graph.errors import ConfigError
from mrdib_graph.evaluation import Evaluator
from mrdib_graph.experiment import fit_baselines

MONITOR = "recall@20"


def test_names() -> None:
    assert fit_baselines.baseline_class("EASE") is EASE
    assert fit_baselines.baseline_class("item_knn") is ItemKNN
    assert fit_baselines.baseline_class("lattice") is None
    fit_baselines.check_baseline("popularity")
    with pytest.raises(ConfigError, match="'eas' is unknown; did you mean 'ease'"):
        fit_baselines.check_baseline("eas")


def test_every_baseline_has_a_grid_of_its_options() -> None:
    assert set(fit_baselines._GRIDS) == {"popularity", "itemknn", "contentcosine", "ease"}
    for name, grid in fit_baselines._GRIDS.items():
        cls = fit_baselines.baseline_class(name)
        assert cls is not None
        for options in grid:
            cls(**options)


@pytest.mark.parametrize(("name", "cls"), [("itemknn", ItemKNN), ("ease", EASE)])
def test_the_best_point_on_validation_is_taken(name: str, cls: type, data: HeteroData) -> None:
    evaluator = Evaluator(data)
    by_hand = []
    for options in fit_baselines._GRIDS[name]:
        score = cls(**options).fit(data).score
        val = evaluator.evaluate_scores(score, "val").mean
        by_hand.append((val[MONITOR], val, evaluator.evaluate_scores(score, "test").mean))
    assert len({value for value, _, _ in by_hand}) > 1  # the points differ
    arm = fit_baselines.run_baseline(name, data, evaluator, MONITOR)
    assert arm is not None
    assert (arm.backbone, arm.arm) == (name, fit_baselines.ARM)
    [seed] = arm.seeds
    best = max(by_hand, key=lambda point: point[0])
    assert seed.val == best[1] and seed.test == best[2]
    assert (seed.seed, seed.best_epoch, seed.epochs) == (0, 0, 1) and seed.seconds_per_epoch > 0


def test_popularity_has_nothing_to_choose(data: HeteroData) -> None:
    evaluator = Evaluator(data)
    arm = fit_baselines.run_baseline("Popularity", data, evaluator, MONITOR)
    expected = evaluator.evaluate_scores(Popularity().fit(data).score, "test")
    assert arm is not None and arm.backbone == "popularity"
    assert arm.seeds[0].test == expected.mean and torch.equal(arm.seeds[0].users, expected.users)


def test_data_that_are_too_large_leave_it_out(
    data: HeteroData, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(fit_baselines._GRIDS, "ease", [{"max_items": 10}])
    with caplog.at_level(logging.WARNING):
        assert fit_baselines.run_baseline("ease", data, Evaluator(data), MONITOR) is None
    assert "baseline ease left out" in caplog.text and "100 items" in caplog.text
