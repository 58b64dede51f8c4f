"""What the ceiling of `planted` knows, and that test chooses nothing."""

from types import ModuleType

import pytest
import torch

from mrdib_graph import graph
from mrdib_graph.datasets import Planted
from mrdib_graph.evaluation import Evaluator


@pytest.fixture(scope="module")
def ceiling(load_job) -> ModuleType:
    module: ModuleType = load_job("planted_ceiling")
    return module


@pytest.fixture(scope="module")
def planted() -> Planted:
    return Planted(num_users=80, num_items=60, num_interactions=1200, seed=3)


def test_scores_are_true_products_and_log_counts(ceiling: ModuleType, planted: Planted) -> None:
    data = planted[0]
    user, item = ceiling.true_items(planted, data)
    true_user, true_item = planted.true_factors()
    counts = [1.0] * 60
    for i in graph.interactions(data, "train")[1].tolist():
        counts[i] += 1
    expected = true_user @ true_item.T + torch.tensor(counts).log()
    torch.testing.assert_close(user @ item.T, expected)


def test_users_are_learned(
    ceiling: ModuleType, planted: Planted, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = planted[0]
    _, item = ceiling.true_items(planted, data)
    evaluator, values = Evaluator(data), []
    for epochs in (3, 30):
        monkeypatch.setattr(ceiling, "EPOCHS", epochs)
        values.append(ceiling.learn_users(data, item, 0.03, evaluator, 3))
    assert values[1][0] > values[0][0] > 0, "the best of 30 epochs on validation is better"


def test_the_weight_is_chosen_on_validation_alone(
    ceiling: ModuleType,
    planted: Planted,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    found = iter([(0.2, 0.9), (0.3, 0.11), (0.3, 0.8), (0.1, 1.0)])  # of each weight
    monkeypatch.setattr(ceiling, "learn_users", lambda *_: next(found))
    monkeypatch.setattr(ceiling, "Planted", lambda **_: planted)
    ceiling.main(["--data-seeds", "3"])
    assert capsys.readouterr().out.splitlines()[0].endswith(", 0.1100")
