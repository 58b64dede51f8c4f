"""Closed forms that read content, against slow loops from their formulas."""

import logging

import numpy as np
import psutil
import pytest
import torch

from mrdib_graph import graph
from mrdib_graph.baselines import (
    CEASE,
    EASE,
    AddEASE,
    ContentKNN,
    EASEContent,
    ItemKNN,
    ItemKNNContent,
    content_rows,
)
from mrdib_graph.errors import ConfigError
from mrdib_graph.testing import tiny_data


def train_matrix(data) -> np.ndarray:
    x = np.zeros((graph.num_users(data), graph.num_items(data)))
    for user, item in graph.interactions(data, "train").t().tolist():
        x[user, item] = 1
    return x


def unit(row: np.ndarray) -> np.ndarray:
    length = sum(v * v for v in row.tolist()) ** 0.5
    return row / length if length else row


def feature_rows(data) -> np.ndarray:
    """All features side by side, item by item; the node that describes it, if one does."""
    found = []
    for item in range(graph.num_items(data)):
        parts = []
        for modality in graph.modalities(data):
            features = data[modality].x.double().numpy()
            node, described = data[modality, "describes", "item"].edge_index.tolist()
            own = [features[n] for n, i in zip(node, described, strict=True) if i == item]
            parts.append(unit(own[0]) if own else np.zeros(features.shape[1]))
        found.append(unit(np.concatenate(parts)))
    return np.stack(found)


def content_knn(x: np.ndarray, c: np.ndarray, k: int | None) -> np.ndarray:
    y = np.zeros_like(x)
    for i in range(x.shape[1]):
        others = [(-round(float(c[i] @ c[j]), 6), j) for j in range(x.shape[1]) if j != i]
        near = range(x.shape[1]) if k is None else [j for _, j in sorted(others)[:k]]
        for j in near:
            y[:, i] += float(c[i] @ c[j]) * x[:, j]
    return y


def ridge(y: np.ndarray, l2: float) -> np.ndarray:
    """Each column regressed on all others: weights with a zero diagonal."""
    items = y.shape[1]
    weights = np.zeros((items, items))
    for j in range(items):
        others = [i for i in range(items) if i != j]
        a = y[:, others]
        weights[others, j] = np.linalg.solve(a.T @ a + l2 * np.eye(items - 1), a.T @ y[:, j])
    return weights


def z_scores(y: np.ndarray) -> np.ndarray:
    found = np.zeros_like(y)
    for user, row in enumerate(y):
        mean = sum(row) / len(row)
        sd = (sum((v - mean) ** 2 for v in row) / len(row)) ** 0.5
        if sd > 1e-12:
            found[user] = (row - mean) / sd
    return found


USERS = torch.arange(30)


@pytest.fixture(scope="module")
def data():
    """Two modalities; four items lack one of them, one lacks both."""
    made = tiny_data(missing=4)
    for modality in ("image", "text"):
        store = made[modality, "describes", "item"]
        store.edge_index = store.edge_index[:, store.edge_index[1] != 12]
    return made


@pytest.fixture(scope="module")
def x(data) -> np.ndarray:
    return train_matrix(data)


@pytest.fixture(scope="module")
def c(data) -> np.ndarray:
    return feature_rows(data)


def close(found: torch.Tensor, expected: np.ndarray) -> None:
    torch.testing.assert_close(found.double(), torch.from_numpy(expected), atol=2e-5, rtol=1e-4)


def test_rows_side_by_side(data, c) -> None:
    close(content_rows(data, "me"), c)
    assert not c[12].any() and 0 < np.count_nonzero(c[4]) < np.count_nonzero(c[0])
    with pytest.raises(ConfigError, match="me: the graph has no modality to compare"):
        content_rows(tiny_data(modalities=()), "me")


@pytest.mark.parametrize("k", [1, 5, 500, None])
def test_content_knn(data, x, c, k: int | None) -> None:
    close(ContentKNN(k).fit(data).score(USERS), content_knn(x, c, k))


def test_all_neighbours_order_as_the_cosine_with_the_mean_row(data, x, c) -> None:
    scores = ContentKNN(None).fit(data).score(USERS).double().numpy()
    for user in range(29):
        mean = x[user] @ c / x[user].sum()
        cosine = c @ mean / np.linalg.norm(mean)
        assert np.allclose(scores[user], cosine * (scores[user].max() / cosine.max()), atol=1e-5)


@pytest.mark.parametrize("weight", [0.0, 0.7, 4.0])
def test_a_collaborative_score_plus_content(data, x, c, weight: float) -> None:
    content = weight * z_scores(content_knn(x, c, None))
    ease = z_scores(x @ ridge(x, 20.0))
    close(EASEContent(weight, l2_weight=20.0).fit(data).score(USERS), ease + content)
    knn = ItemKNN(k=5, shrink=2.0).fit(data).score(USERS).double().numpy()
    found = ItemKNNContent(weight, k=5, shrink=2.0).fit(data).score(USERS)
    close(found, z_scores(knn) + content)
    assert not found[29].any()  # no history: a deviation of 0


@pytest.mark.parametrize("alpha", [0.0, 3.0])
def test_cease_is_ease_with_features_as_more_rows(data, x, c, alpha: float) -> None:
    taller = np.concatenate([x, alpha**0.5 * c.T])
    expected = x @ ridge(taller, 7.0)
    close(CEASE(alpha, l2_weight=7.0).fit(data).score(USERS), expected)


@pytest.mark.parametrize("beta", [0.0, 0.3, 1.0])
def test_add_ease_averages_two_models(data, x, c, beta: float) -> None:
    expected = x @ ((1 - beta) * ridge(x, 7.0) + beta * ridge(c.T, 0.5))
    found = AddEASE(beta, l2_weight=7.0, content_l2_weight=0.5).fit(data).score(USERS)
    close(found, expected)


def test_parts_that_are_fitted_already_give_the_same_scores(data) -> None:
    ease, content = EASE(20.0).fit(data), ContentKNN().fit(data)
    found = EASEContent(1.5).of_fitted(ease, content).score(USERS)
    assert torch.equal(found, EASEContent(1.5, l2_weight=20.0).fit(data).score(USERS))


@pytest.mark.parametrize("cls", [ContentKNN, EASEContent, ItemKNNContent, CEASE, AddEASE])
def test_no_content_is_refused(cls: type) -> None:
    with pytest.raises(ConfigError, match="the graph has no modality to compare items by"):
        cls().fit(tiny_data(modalities=()))


@pytest.mark.parametrize("cls", [EASE, EASEContent, CEASE, AddEASE])
def test_what_is_too_large_is_refused_in_one_sentence(
    data, cls: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ConfigError, match="the graph has 40 items, more than max_items=39"):
        cls(max_items=39).fit(data)
    monkeypatch.setattr(graph, "num_items", lambda _: 20_000)
    free = psutil.virtual_memory()._replace(available=9_000_000_000)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: free)
    with pytest.raises(ConfigError, match=r"needs about 9\.6 GB, and 9\.0 GB are free"):
        EASE().fit(data)


def test_memory_and_time_are_said_before(data, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        CEASE().fit(data)
    assert "cease: inverts a matrix of 40 x 40: about 0.0 GB" in caplog.text


@pytest.mark.parametrize(
    ("cls", "options", "text"),
    [
        (ContentKNN, {"k": 0}, "k: got 0"),
        (EASEContent, {"content_weight": -1.0}, "content_weight: got -1"),
        (ItemKNNContent, {"shrink": -1.0}, "shrink: got -1"),
        (CEASE, {"l2_weight": 0.0}, "l2_weight: got 0"),
        (AddEASE, {"content_weight": 1.5}, "content_weight: got 1.5"),
    ],
)
def test_refuses(cls: type, options: dict[str, float], text: str) -> None:
    with pytest.raises(ConfigError, match=text):
        cls(**options)
