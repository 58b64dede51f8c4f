"""The cross-validation of ``docs/how_to/breast_cancer.py``: no leak, right tests, same numbers."""

import argparse
import importlib
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats
from sklearn.datasets import load_breast_cancer
from sklearn.metrics import log_loss
from sklearn.preprocessing import StandardScaler
from statsmodels.stats.multitest import multipletests
from torch.nn.functional import binary_cross_entropy_with_logits as cross_entropy

from mrdib_graph.estimators import Gaussian
from mrdib_graph.experiment import PAPER

HOW_TO = Path(__file__).resolve().parents[2] / "docs" / "how_to"
TINY = ["--repeats", "1", "--folds", "2", "--trials", "2", "--epochs", "2"]


def _module(name: str) -> ModuleType:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(HOW_TO)
        return importlib.import_module(name)


script = _module("breast_cancer")
views = _module("three_views")


@pytest.fixture(autouse=True)
def _few_trees(monkeypatch: pytest.MonkeyPatch) -> None:
    """The forest and the boosted trees with five trees, for speed."""
    for name, option in (("forest", "n_estimators"), ("boosted trees", "max_iter")):
        kind, ranges = script.BASELINES[name]
        few = script.partial(kind, **{option: 5})
        monkeypatch.setitem(script.BASELINES, name, (few, ranges))


def _run(**options: int) -> argparse.Namespace:
    return argparse.Namespace(**{"trials": 2, "epochs": 2, "hidden": 0, "seed": 0} | options)


def test_runs_and_repeats_itself(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    result = script.main([*TINY, "--output", str(tmp_path / "out.json")])
    printed = capsys.readouterr().out
    assert json.loads((tmp_path / "out.json").read_text(encoding="utf-8")) == result
    assert [fold["arm"] for fold in result["folds"]] == [a for a in script.ARMS for _ in range(2)]
    for arm in script.ARMS:
        assert f"| {arm} | " in printed
    for fold in result["folds"]:
        assert 0.5 < fold["accuracy"] <= 1 and 0.5 < fold["auc"] <= 1 and 0 < fold["log loss"] < 1
        assert len(fold["redundancy"]) == (3 if fold["arm"] in script.NETWORKS else 0)
    assert script.main(TINY) == result


def test_another_seed_gives_other_numbers() -> None:
    x, y = load_breast_cancer(return_X_y=True)
    split = np.arange(400), np.arange(400, 569)
    losses = {script.run_fold("bare", x, y, split, _run(seed=s))["log loss"] for s in (0, 0, 1)}
    assert len(losses) == 2


@pytest.mark.parametrize("arm", ["paper", "logistic"])
def test_nothing_is_fitted_on_held_out_rows(arm: str, monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = load_breast_cancer(return_X_y=True)
    train, test = np.arange(400), np.arange(400, 569)
    scaled: list[np.ndarray] = []
    fitted: list[tuple[np.ndarray, np.ndarray]] = []
    fit = script.fit

    class Recorder(StandardScaler):  # type: ignore[misc]
        def fit(self, x: np.ndarray, y: None = None) -> "Recorder":
            scaled.append(x.copy())
            super().fit(x, y)
            return self

    def record(arm: str, settings: Any, x: np.ndarray, y: np.ndarray, run: Any) -> Any:
        fitted.append((x.copy(), y.copy()))
        return fit(arm, settings, x, y, run)

    monkeypatch.setattr(script, "StandardScaler", Recorder)
    monkeypatch.setattr(script, "fit", record)
    first = script.run_fold(arm, x, y, (train, test), _run())

    rows = [{row.tobytes() for row in part} for part in scaled]
    assert [len(part) for part in scaled] == [320, 320, 400]  # two trials, then the whole fold
    assert rows[2] == {row.tobytes() for row in x[train]}
    assert rows[0] == rows[1] < rows[2]
    for part, (columns, labels) in zip(scaled, fitted, strict=True):
        np.testing.assert_allclose(columns, (part - part.mean(0)) / part.std(0), atol=1e-10)
        assert len(labels) == len(part)

    other_x, other_y = x.copy(), y.copy()
    other_x[test] *= 3
    other_y[test] = 1 - y[test]
    second = script.run_fold(arm, other_x, other_y, (train, test), _run())
    assert second["chosen"] == first["chosen"] and second["auc"] != first["auc"]
    for (a, labels_a), (b, labels_b) in zip(fitted[:3], fitted[3:], strict=True):
        assert np.array_equal(a, b) and np.array_equal(labels_a, labels_b)


def test_the_best_on_validation_is_chosen() -> None:
    x, y = load_breast_cancer(return_X_y=True)
    rows = np.arange(569)
    run = _run(trials=4)
    fold = script.run_fold("logistic", x, y, (rows[:400], rows[400:]), run)
    inner, held = script.train_test_split(
        rows[:400], test_size=0.2, stratify=y[:400], random_state=run.seed
    )
    scaler = StandardScaler().fit(x[inner])
    losses = {}
    for settings in script.trials(script.BASELINES["logistic"][1], 4):
        model = script.LogisticRegression(max_iter=5000, **settings)
        model.fit(scaler.transform(x[inner]), y[inner])
        losses[settings["C"]] = log_loss(y[held], model.predict_proba(scaler.transform(x[held])))
    assert fold["chosen"]["C"] == min(losses, key=lambda c: losses[c])


def test_trials_start_at_the_default_and_cover_the_ranges() -> None:
    decays = set()
    for arm, (_, ranges) in (script.NETWORKS | script.BASELINES).items():
        tried = script.trials(ranges, 6)
        assert len(tried) == 6 and len({tuple(t.values()) for t in tried}) == 6, arm
        for name, (low, first, high) in ranges.items():
            values = [t[name] for t in tried]
            assert values[0] == pytest.approx(first)
            assert all(low * 0.999 <= v <= high * 1.001 for v in values)
            assert np.ptp(np.log(values)) > 0.4 * np.log(high / low)
        if arm in script.NETWORKS:
            decays.add(tuple(t["weight_decay"] for t in tried))
    assert len(decays) == 1  # the same for every network
    first_of_paper = script.trials(script.NETWORKS["paper"][1], 1)[0]
    assert all(first_of_paper[w] == pytest.approx(PAPER[w]) for w in script.WEIGHTS)


def test_corrected_t_test_is_the_t_test_with_a_wider_variance() -> None:
    rng = np.random.default_rng(0)
    difference = rng.normal(0.3, 1.0, 25)
    plain = stats.ttest_1samp(difference, 0.0)
    assert script.corrected_t_test(difference, 0.0) == pytest.approx(plain.pvalue)
    # 5 x 5 folds: the variance grows from 1/25 to 1/25 + 1/4, that is by 7.25
    expected = 2 * stats.t.sf(abs(plain.statistic) / np.sqrt(7.25), 24)
    assert script.corrected_t_test(difference, 0.25) == pytest.approx(expected)
    assert script.corrected_t_test(-difference, 0.25) == pytest.approx(expected)
    assert script.corrected_t_test(np.zeros(4), 0.25) == 1.0
    assert script.corrected_t_test(np.ones(4), 0.25) == 0.0


def test_comparisons_are_paired_by_fold_and_adjusted() -> None:
    rng = np.random.default_rng(1)
    folds = [
        {
            "arm": arm,
            **{metric: base[fold] + rng.normal(0.1 * place, 0.05) for metric in script.METRICS},
        }
        for place, arm in enumerate(script.ARMS)
        for base in [np.linspace(0, 5, 10)]
        for fold in range(10)
    ]
    rows = script.compare(folds, num_folds=5)
    assert len(rows) == len(script.COMPARED) * len(script.METRICS)
    adjusted = multipletests([row["p"] for row in rows], method="holm")[1]
    assert [row["holm"] for row in rows] == pytest.approx(list(adjusted))
    gain = {(row["base"], row["arm"], row["metric"]): row["gain"] for row in rows}
    assert gain["bare", "mrdib", "auc"] == pytest.approx(0.3, abs=0.08)
    assert gain["logistic", "mrdib", "auc"] == pytest.approx(-0.2, abs=0.08)


def _data(n: int = 80) -> tuple[torch.Tensor, torch.Tensor]:
    x, y = load_breast_cancer(return_X_y=True)
    x = StandardScaler().fit_transform(x)
    return torch.tensor(x[:n], dtype=torch.float32), torch.tensor(y[:n], dtype=torch.float32)


def test_loss_is_prediction_plus_weighted_terms() -> None:
    x, y = _data()
    torch.manual_seed(0)
    network = views.Network(options={"alpha_redundancy": 0.2, "alpha_unique": 0.3})
    z = {"mean": x[:, :10], "error": x[:, 10:20], "worst": x[:, 20:]}
    z = {v: network.encoders[v](part) for v, part in z.items()}
    logits = network.head(torch.cat([z["mean"], z["error"], z["worst"]], 1))
    loss = cross_entropy(logits[:, 0], y)
    nats = [Gaussian(16)(z[a], z[b]) for a, b in script.PAIRS]
    unique = [cross_entropy(network.alone[v](z[v])[:, 0], y) for v in z]
    expected = loss + 0.2 * sum(nats) / 3 + 0.3 * sum(unique)
    assert network.loss(x, y).item() == pytest.approx(expected.item(), rel=1e-5)


@pytest.mark.parametrize("hidden", [0, 8])
def test_all_arms_start_from_the_same_network(hidden: int) -> None:
    states = []
    for std, options in ((0.0, None), (0.3, None), (0.0, {}), (0.0, PAPER)):
        torch.manual_seed(3)
        states.append(views.Network(hidden, std, options).state_dict())
    for name, value in states[0].items():
        assert all(torch.equal(state[name], value) for state in states[1:]), name
    assert any(name.startswith("mrdib.") for name in states[3])


def test_noise_acts_in_training_alone() -> None:
    x, _ = _data()
    torch.manual_seed(0)
    network = views.Network(std=0.5)
    assert not torch.equal(network(x)[0], network(x)[0])
    network.eval()
    assert torch.equal(network(x)[0], network(x)[0])


def test_weight_decay_leaves_the_parameters_of_mrdib_alone() -> None:
    x, y = _data()
    torch.manual_seed(0)
    network = views.Network(options=PAPER)
    # one step of 0.02 with a decay of 50 takes every decayed weight to its Adam step
    views.train_network(network, x.numpy(), y.numpy(), epochs=1, weight_decay=50.0)
    for name, parameter in network.named_parameters():
        if not name.startswith("mrdib."):
            assert parameter.abs().max() <= 0.0201, name
    log_var = network.mrdib.bottlenecks["mean"].log_var.bias
    assert ((log_var + 6).abs() <= 0.0201).all()
    assert not network.training


def test_mrdib_lowers_the_redundancy_of_the_codes() -> None:
    x, y = _data(300)
    found = {}
    for alpha in (0.0, 0.1):
        settings = {"weight_decay": 0.01, "alpha_unique": 0.1, "alpha_redundancy": alpha}
        model = script.fit("mrdib", settings, x.numpy(), y.numpy(), _run(epochs=40))
        found[alpha] = np.mean(script.predict(model, x.numpy())[1])
    assert found[0.1] < 0.8 * found[0.0]
