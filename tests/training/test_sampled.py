"""Training on sampled subgraphs by the trainer."""

import signal

import pytest
import torch
from torch_geometric import typing

from mrdib_graph.backbones import FREEDOM, LightGCN
from mrdib_graph.datasets import Planted
from mrdib_graph.loader import NeighborLoader
from mrdib_graph.recommender import Recommender
from mrdib_graph.testing.tiny_data import tiny_data
from mrdib_graph.training import Interrupted, Trainer

pytestmark = pytest.mark.skipif(
    not (typing.WITH_PYG_LIB or typing.WITH_TORCH_SPARSE),
    reason="sampling needs torch-sparse or pyg-lib (the extra 'sampling')",
)


def recommender(data, cls=LightGCN, embedding_dim=8, **options):
    torch.manual_seed(0)
    return Recommender(cls.from_data(data, embedding_dim=embedding_dim, **options), reg_fused=0.05)


def test_the_config_chooses_the_loader():
    data = tiny_data(120, 90)
    made = recommender(data, FREEDOM, prune=0.2)
    found = Trainer(
        epochs=2, batch_size=64, device="cpu", quiet=True, loader="neighbor", num_neighbors=[3]
    ).fit(made, data)
    loss = [metrics["train/loss"] for metrics in found.history]
    assert loss[1] < loss[0]
    assert found.test["recall@20"] > 0


def test_a_run_that_stops_in_an_epoch_resumes_to_the_same_bits(tmp_path):
    data = tiny_data(120, 90)
    trainer = Trainer(
        epochs=2, batch_size=64, device="cpu", quiet=True, loader="neighbor", num_neighbors=[2]
    )
    whole = recommender(data)
    trainer.fit(whole, data)

    class Pressed(NeighborLoader):
        def steps(self, data, skip=0):
            for number, step in enumerate(super().steps(data, skip)):
                if number == 2:
                    signal.raise_signal(signal.SIGINT)
                yield step

    stopped = recommender(data)
    prepared = stopped.backbone.prepare(data)
    pressed = Pressed(prepared, lambda: stopped.backbone.sampling(prepared), [2], batch_size=64)
    with pytest.raises(Interrupted):
        trainer.fit(stopped, data, pressed, checkpoint=tmp_path / "a.ckpt")
    resumed = recommender(data)
    trainer.fit(resumed, data, checkpoint=tmp_path / "a.ckpt", resume=True)
    for name, value in whole.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[name]), name


@pytest.mark.slow
@pytest.mark.parametrize(("cls", "options"), [(LightGCN, {"reg": 0.0}), (FREEDOM, {"prune": 0.2})])
def test_five_neighbours_reach_the_metric_of_the_whole_graph(cls, options):
    """Best validation recall@20 on a small planted set, within 3 % of training on the graph."""
    data = Planted(num_users=800, num_items=300, num_interactions=9000)[0]
    reached = []
    for loader in ("full", "neighbor"):
        found = Trainer(
            **{"epochs": 25, "batch_size": 512, "learning_rate": 0.01, "device": "cpu"},
            **{"quiet": True, "loader": loader, "num_neighbors": [5, 5]},
        ).fit(recommender(data, cls, 32, **options), data)
        reached.append(found.val["recall@20"])
    assert reached[1] > 0.97 * reached[0], reached
