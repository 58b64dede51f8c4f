"""MRdIB without a recommender: cross-validated on three views of tumours, beside baselines."""

import argparse
import itertools
import json
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy import stats
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, log_loss, roc_auc_score
from sklearn.model_selection import RepeatedStratifiedKFold, train_test_split
from sklearn.preprocessing import StandardScaler
from three_views import VIEWS, Network, train_network

from mrdib_graph.estimators import Gaussian
from mrdib_graph.evaluation.significance import holm
from mrdib_graph.experiment import PAPER

PAIRS = list(itertools.combinations(VIEWS, 2))
METRICS = ("accuracy", "auc", "log loss")
WEIGHTS = ("alpha_kl", "alpha_redundancy", "alpha_unique")

Ranges = Mapping[str, tuple[float, float, float]]
"""Lowest value, value of the first trial, highest value of each tuned setting, all above 0."""

DECAY: Ranges = {"weight_decay": (0.01, 0.01, 30)}
UNIQUE: Ranges = {**DECAY, "alpha_unique": (0.01, 0.1, 1)}
NETWORKS: dict[str, tuple[dict[str, Any] | None, Ranges]] = {  # MRdIB's options, or no MRdIB
    "bare": (None, DECAY),
    "noise": (None, {**DECAY, "std": (0.01, 0.1, 1)}),
    "unique alone": ({"alpha_redundancy": 0.0}, UNIQUE),
    "mrdib": ({}, {**UNIQUE, "alpha_redundancy": (1e-5, 3e-4, 0.1)}),
    "paper": (PAPER, {**DECAY, **{w: (PAPER[w] / 10, PAPER[w], PAPER[w] * 10) for w in WEIGHTS}}),
}
BASELINES: dict[str, tuple[Any, Ranges]] = {  # on all columns
    "logistic": (partial(LogisticRegression, max_iter=5000), {"C": (1e-3, 1, 100)}),
    "forest": (RandomForestClassifier, {"max_features": (0.05, 0.18, 1)}),
    "boosted trees": (HistGradientBoostingClassifier, {"learning_rate": (0.01, 0.1, 0.5)}),
}
ARMS = (*NETWORKS, *BASELINES)
COMPARED = [("bare", arm) for arm in ARMS if arm != "bare"]
COMPARED += [(arm, "mrdib") for arm in ("noise", "unique alone", *BASELINES)]


def fit(arm: str, settings: Mapping[str, float], x: np.ndarray, y: np.ndarray, run: Any) -> Any:
    """A model of standardised columns [n, 30]: the trained network, or scikit-learn's."""
    if arm in BASELINES:
        return BASELINES[arm][0](random_state=run.seed, **settings).fit(x, y)
    options = NETWORKS[arm][0]
    if options is not None:
        options = {**options, **{w: settings[w] for w in WEIGHTS if w in settings}}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(run.seed)  # every arm starts from the same encoders and heads
        network = Network(run.hidden, settings.get("std", 0.0), options)
        return train_network(network, x, y, run.epochs, settings["weight_decay"])


@torch.no_grad()
def predict(model: Any, x: np.ndarray) -> tuple[np.ndarray, list[float]]:
    """Probabilities of label 1 [n]; of a network, the nats that each pair of codes shares."""
    if not isinstance(model, Network):
        return model.predict_proba(x)[:, 1], []
    logits, z, _ = model(torch.as_tensor(x, dtype=torch.float32))
    nats = [float(Gaussian(z[a].size(1))(z[a], z[b])) for a, b in PAIRS]
    return logits.double().sigmoid().numpy(), nats


def trials(ranges: Ranges, number: int) -> list[dict[str, float]]:
    """Settings to try: the first values, then points of a Halton sequence on log scales."""
    low, first, high = np.log(list(ranges.values())).T
    points = low + (high - low) * stats.qmc.Halton(len(ranges), scramble=False).random(number)[1:]
    return [dict(zip(ranges, map(float, np.exp(row)), strict=True)) for row in (first, *points)]


def run_fold(
    arm: str, x: np.ndarray, y: np.ndarray, split: Sequence[np.ndarray], run: Any
) -> dict[str, Any]:
    """Choose settings inside the training rows, fit on all of them, measure on the test rows."""
    train, test = split

    def predicted(settings: Mapping[str, float], on: np.ndarray, of: np.ndarray) -> Any:
        scaler = StandardScaler().fit(x[on])
        return predict(
            fit(arm, settings, scaler.transform(x[on]), y[on], run), scaler.transform(x[of])
        )

    inner, held = train_test_split(train, test_size=0.2, stratify=y[train], random_state=run.seed)
    tried = trials((NETWORKS | BASELINES)[arm][1], run.trials)
    chosen = min(tried, key=lambda settings: log_loss(y[held], predicted(settings, inner, held)[0]))
    p, nats = predicted(chosen, train, test)
    scores = accuracy_score(y[test], p > 0.5), roc_auc_score(y[test], p), log_loss(y[test], p)
    measured = dict(zip(METRICS, map(float, scores), strict=True))
    return {"arm": arm, "chosen": chosen, "redundancy": nats, **measured}


def corrected_t_test(difference: np.ndarray, test_over_train: float) -> float:
    """Two-sided p value of the corrected resampled t test of Nadeau and Bengio (2003).

    Training folds overlap, so a plain test is too sure.  The variance of the mean of k folds is
    taken as (1 / k + n_test / n_train) times their sample variance, with k - 1 degrees of freedom.
    """
    k, mean, variance = len(difference), difference.mean(), difference.var(ddof=1)
    if variance == 0:
        return float(mean == 0)
    return float(2 * stats.t.sf(abs(mean) / np.sqrt((1 / k + test_over_train) * variance), k - 1))


def compare(folds: Sequence[Mapping[str, Any]], num_folds: int) -> list[dict[str, Any]]:
    """Every comparison on every metric; p values adjusted after Holm over all of them."""
    rows = []
    for (base, arm), metric in itertools.product(COMPARED, METRICS):
        a, b = (np.array([f[metric] for f in folds if f["arm"] == name]) for name in (base, arm))
        p = corrected_t_test(b - a, 1 / (num_folds - 1))
        rows.append({"base": base, "arm": arm, "metric": metric, "gain": (b - a).mean(), "p": p})
    adjusted = holm([row["p"] for row in rows])
    return [row | {"holm": p} for row, p in zip(rows, adjusted, strict=True)]


def main(arguments: Sequence[str] | None = None) -> dict[str, Any]:
    """All arms on all folds: print two tables, write everything that was measured."""
    parser = argparse.ArgumentParser(description=__doc__)
    sizes = {"repeats": 5, "folds": 5, "trials": 6, "epochs": 60, "hidden": 0, "seed": 0}
    for name, value in sizes.items():
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--output", type=Path, help="JSON file to write")
    run = parser.parse_args(arguments)
    torch.set_num_threads(1)
    x, y = load_breast_cancer(return_X_y=True)
    cv = RepeatedStratifiedKFold(n_splits=run.folds, n_repeats=run.repeats, random_state=run.seed)
    splits = list(cv.split(x, y))
    folds = [run_fold(arm, x, y, split, run) for arm in ARMS for split in splits]
    print("| arm |", " | ".join([*METRICS, *map(" - ".join, PAIRS)]), "|")
    for arm in ARMS:
        of_arm = [fold for fold in folds if fold["arm"] == arm]
        columns = [np.array([fold[metric] for fold in of_arm]) for metric in METRICS]
        cells = [f"{c.mean():.4f} ± {c.std(ddof=1):.4f}" for c in columns]
        nats = np.array([fold["redundancy"] for fold in of_arm]).mean(0)
        print("|", " | ".join([arm, *cells, *(f"{v:.2f}" for v in nats)]), "|")
    rows = compare(folds, run.folds)
    for row in rows:
        gain, p, adjusted = (f"{row[key]:.4f}" for key in ("gain", "p", "holm"))
        print(f"| {row['arm']} - {row['base']} | {row['metric']} | {gain} | {p} | {adjusted} |")
    if run.output is not None:
        result = {"folds": folds, "comparisons": rows}
        run.output.write_text(json.dumps(result, indent=1), encoding="utf-8")
    return {"folds": folds, "comparisons": rows}


if __name__ == "__main__":
    main()
