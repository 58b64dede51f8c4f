from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from mrdib_graph import baselines
from mrdib_graph.baselines import (
    CEASE,
    EASE,
    AddEASE,
    Baseline,
    ContentCosine,
    ContentKNN,
    EASEContent,
    ItemKNN,
    ItemKNNContent,
    Popularity,
)
from mrdib_graph.baselines.baseline import training_matrix
from mrdib_graph.errors import ConfigError
from mrdib_graph.resolver import choices, resolve_class

Make = Callable[[int], tuple[HeteroData, Tensor]]
ALL = sorted(choices(baselines, Baseline).items())


@pytest.mark.parametrize(
    ("name", "cls"),
    [
        ("ease", EASE),
        ("item_knn", ItemKNN),
        ("Popularity", Popularity),
        ("content-cosine", ContentCosine),
        ("content-knn", ContentKNN),
        ("ease+content", EASEContent),
        ("itemknn+content", ItemKNNContent),
        ("cease", CEASE),
        ("add-ease", AddEASE),
    ],
)
def test_names(name: str, cls: type) -> None:
    assert resolve_class(name, baselines, Baseline, "baseline") is cls


def test_training_matrix(graph_and_matrix: Make) -> None:
    data, dense = graph_and_matrix(0)
    matrix = training_matrix(data)
    assert torch.equal(torch.from_numpy(matrix.toarray()).double(), dense)


@pytest.mark.parametrize(("name", "cls"), ALL)
def test_a_batch_equals_single_users(
    graph_and_matrix: Make, name: str, cls: type[Baseline]
) -> None:
    baseline = cls()
    assert baseline.fit(graph_and_matrix(1)[0]) is baseline
    ids = torch.tensor([3, 29, 4, 0])
    scores = baseline.score(ids)
    assert scores.shape == (4, 12)
    assert bool(torch.isfinite(scores).all())
    torch.testing.assert_close(
        scores, torch.cat([baseline.score(ids[i : i + 1]) for i in range(4)])
    )
    assert baseline.score(ids[:0]).shape == (0, 12)


@pytest.mark.parametrize(("name", "cls"), ALL)
def test_held_out_rows_are_not_read(graph_and_matrix: Make, name: str, cls: type[Baseline]) -> None:
    data, _ = graph_and_matrix(2)
    only_train = data.clone()
    store = only_train["user", "interacts", "item"]
    mask = store.train_mask
    store.edge_index = store.edge_index[:, mask]
    for split in ("val_mask", "test_mask", "train_mask"):
        store[split] = store[split][mask]
    ids = torch.arange(30)
    assert torch.equal(cls().fit(data).score(ids), cls().fit(only_train).score(ids))


@pytest.mark.parametrize(("name", "cls"), ALL)
def test_refusals(graph_and_matrix: Make, name: str, cls: type[Baseline]) -> None:
    with pytest.raises(ConfigError, match="before fit"):
        cls().score(torch.tensor([0]))
    with pytest.raises(ConfigError, match="user_ids: got rows 30"):
        cls().fit(graph_and_matrix(0)[0]).score(torch.tensor([30]))
