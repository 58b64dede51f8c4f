"""MRdIB without a recommender: three views of tumour cells, cross-validated against baselines.

Every arm, scikit-learn's too, tries the same number of settings on an inner validation fold of each
training fold and is then fitted again on the whole training fold with the best.
"""

import argparse
import itertools
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy import stats
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, log_loss, roc_auc_score
from sklearn.model_selection import RepeatedStratifiedKFold, train_test_split
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor
from torch.nn import Linear, Module, ModuleDict, ReLU, Sequential
from torch.nn.functional import binary_cross_entropy_with_logits as cross_entropy

from mrdib_graph import MRdIB
from mrdib_graph.controls import Noise
from mrdib_graph.estimators import Gaussian
from mrdib_graph.evaluation.significance import holm
from mrdib_graph.experiment import PAPER

VIEWS = {"mean": slice(0, 10), "error": slice(10, 20), "worst": slice(20, 30)}  # columns
PAIRS = list(itertools.combinations(VIEWS, 2))
DIM = 16


class Network(Module):
    """An encoder a view, MRdIB or noise or nothing on the codes, a linear head on all codes."""

    def __init__(self, hidden: int, noise: float | None, mrdib: Mapping[str, Any] | None) -> None:
        super().__init__()
        layers = (10, hidden, DIM) if hidden else (10, DIM)
        self.encoders = ModuleDict({v: _encoder(layers) for v in VIEWS})
        self.head = Linear(DIM * len(VIEWS), 1)
        self.alone = ModuleDict({v: Linear(DIM, 1) for v in VIEWS})  # for the unique losses
        self.noise = None if noise is None else Noise(list(VIEWS), noise)
        self.mrdib = None if mrdib is None else MRdIB(list(VIEWS), embedding_dim=DIM, **mrdib)

    def forward(self, x: Tensor) -> tuple[Tensor, dict[str, Tensor], Mapping[str, Any]]:
        """Columns [n, 30] to logits [n], codes [n, d] by view, and MRdIB's codes."""
        z = {v: self.encoders[v](x[:, columns]) for v, columns in VIEWS.items()}
        codes: Mapping[str, Any] = {}
        if self.noise is not None:
            z = self.noise.perturb({"row": z})["row"]
        if self.mrdib is not None:
            codes = self.mrdib.compress(z)
            z = {v: code.sample for v, code in codes.items()}
        return self.head(torch.cat(list(z.values()), 1)).squeeze(1), z, codes

    def loss(self, x: Tensor, y: Tensor) -> Tensor:
        """The prediction loss on all codes, plus MRdIB's weighted terms."""
        logits, z, codes = self(x)
        loss = cross_entropy(logits, y)
        if self.mrdib is not None:
            terms = self.mrdib(
                {"row": codes},
                unique_loss=lambda v: cross_entropy(self.alone[v](z[v]).squeeze(1), y),
                redundancy_on=["row"],
            )
            loss = loss + sum(self.mrdib.loss_weights[name] * t for name, t in terms.items())
        return loss


def _encoder(layers: Sequence[int]) -> Sequential:
    linear = [Linear(*widths) for widths in itertools.pairwise(layers)]
    return Sequential(*[part for layer in linear for part in (layer, ReLU())][:-1])


class NetworkClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """The network as a classifier of scikit-learn: full batches, AdamW, a fixed length."""

    def __init__(
        self,
        weight_decay: float = 0.01,
        noise: float | None = None,
        mrdib: Mapping[str, Any] | None = None,
        alpha_kl: float | None = None,
        alpha_redundancy: float | None = None,
        alpha_unique: float | None = None,
        epochs: int = 100,
        hidden: int = 0,
        random_state: int = 0,
    ) -> None:
        self.weight_decay, self.noise, self.mrdib = weight_decay, noise, mrdib
        self.alpha_kl, self.alpha_redundancy = alpha_kl, alpha_redundancy
        self.alpha_unique, self.epochs = alpha_unique, epochs
        self.hidden, self.random_state = hidden, random_state

    def fit(self, x: np.ndarray, y: np.ndarray) -> "NetworkClassifier":
        """Train on columns [n, 30] and labels 0 or 1 [n]."""
        self.classes_ = np.unique(y)
        names = ("alpha_kl", "alpha_redundancy", "alpha_unique")
        alphas = {k: getattr(self, k) for k in names if getattr(self, k) is not None}
        inputs, target = (torch.as_tensor(a, dtype=torch.float32) for a in (x, y))
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.random_state)  # all arms start from the same encoders and head
            options = None if self.mrdib is None else {**self.mrdib, **alphas}
            network = self.network_ = Network(self.hidden, self.noise, options)
            decayed = [*network.encoders.parameters(), *network.head.parameters()]
            decayed += network.alone.parameters()
            own = [] if network.mrdib is None else list(network.mrdib.parameters())
            groups = [{"params": decayed}, {"params": own, "weight_decay": 0.0}]
            optimizer = torch.optim.AdamW(groups, lr=0.01, weight_decay=self.weight_decay)
            for epoch in range(self.epochs):
                if network.mrdib is not None:
                    network.mrdib.prepare_epoch(epoch)
                optimizer.zero_grad()
                network.loss(inputs, target).backward()
                optimizer.step()
        network.eval()
        return self

    @torch.no_grad()
    def predict_proba(self, x: np.ndarray) -> np.ndarray:
        """Probabilities [n, 2]."""
        p = self.network_(torch.as_tensor(x, dtype=torch.float32))[0].double().sigmoid().numpy()
        return np.stack([1 - p, p], 1)

    @torch.no_grad()
    def redundancy(self, x: np.ndarray) -> list[float]:
        """Nats between the codes (their means) of each pair of views, Gaussian estimate."""
        z = self.network_(torch.as_tensor(x, dtype=torch.float32))[1]
        estimator = Gaussian(DIM)
        return [float(estimator(z[a], z[b])) for a, b in PAIRS]


Ranges = Mapping[str, tuple[float, float, float]]
"""Lowest value, value of the first trial, highest value of each tuned option; logarithmic."""

DECAY: Ranges = {"weight_decay": (1e-3, 1e-2, 10.0)}
UNIQUE: Ranges = {"alpha_unique": (1e-2, 0.1, 1.0)}
DEFAULT: Ranges = {**DECAY, **UNIQUE, "alpha_redundancy": (1e-5, 3e-4, 0.1)}
PUBLISHED: Ranges = {
    name: (PAPER[name] / 10, PAPER[name], PAPER[name] * 10)
    for name in ("alpha_unique", "alpha_redundancy", "alpha_kl")
}
ARMS: dict[str, tuple[Any, Ranges]] = {
    "bare": (NetworkClassifier(), DECAY),
    "noise": (NetworkClassifier(), {**DECAY, "noise": (0.01, 0.1, 1.0)}),
    "unique alone": (NetworkClassifier(mrdib={"alpha_redundancy": 0.0}), {**DECAY, **UNIQUE}),
    "mrdib": (NetworkClassifier(mrdib={}), DEFAULT),
    "paper": (NetworkClassifier(mrdib=PAPER), {**DECAY, **PUBLISHED}),
    "logistic regression": (LogisticRegression(max_iter=5000), {"C": (1e-3, 1.0, 1e2)}),
    "random forest": (RandomForestClassifier(), {"max_features": (0.05, 0.2, 1.0)}),
    "boosted trees": (HistGradientBoostingClassifier(), {"learning_rate": (0.01, 0.1, 0.5)}),
}
