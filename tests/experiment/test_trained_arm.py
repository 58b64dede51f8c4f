"""One arm with one seed."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
import torch
from torch_geometric.data import HeteroData

from mrdib_graph.evaluation import Evaluator
from mrdib_graph.experiment import (
    Arm,
    TrainedArm,
    build_arm,
    build_recommender,
    train_arm,
    train_arms,
)
from mrdib_graph.loader import TripletLoader


def test_the_label_names_folders_and_runs() -> None:
    assert Arm("Light_GCN", "bare").label == "lightgcn-bare"
    assert Arm("folder/own.py:MyModel", "no-kl").label == "mymodel-no-kl"


def train(config, data: HeteroData, arm: str = "bare", seed: int = 0, **more) -> TrainedArm:
    one = build_arm(config.settings["vbpr"], "vbpr", arm)
    return train_arm(one, seed, data, Evaluator(data), **more)


def test_the_result_is_that_of_the_kept_weights(make_config, data: HeteroData) -> None:
    arm = train(make_config(), data, "mrdib", 5)
    again = Evaluator(data)(*arm.recommender.tables(data), "test")
    assert arm.result.test == arm.fit.test == again.mean
    assert arm.result.seed == 5 and arm.result.epochs == 2
    assert arm.result.val == arm.fit.val and arm.result.best_epoch == arm.fit.best_epoch
    assert torch.equal(arm.result.users, again.users)
    for name, values in again.per_user.items():
        assert torch.equal(arm.result.per_user[name], values)


def test_the_seed_decides_start_and_training(make_config, data: HeteroData) -> None:
    one, again, other = (train(make_config(), data, seed=seed).fit.test for seed in (1, 1, 2))
    assert one == again != other


def test_training_as_written_out(make_config, data: HeteroData) -> None:
    """Adam on the loss, two epochs: the seed makes the start, seed the batches, seed + 1 noise."""
    config = make_config(trainer={"learning_rate": 0.02})
    arm = train(config, data, "mrdib", 3)
    torch.manual_seed(3)
    recommender = build_recommender(build_arm(config.settings["vbpr"], "vbpr", "mrdib"), data)
    prepared = recommender.backbone.prepare(data)
    loader = TripletLoader(prepared, 512)
    loader.generator.manual_seed(3)
    noise = torch.Generator().manual_seed(4)
    optimizer = torch.optim.Adam(recommender.parameters(), lr=0.02, fused=True)
    tables = []
    for epoch in range(2):
        recommender.prepare_epoch(prepared, epoch, noise)
        recommender.train()
        for batch in loader:
            optimizer.zero_grad()
            recommender.total(recommender.loss(prepared, batch, noise)).backward()
            optimizer.step()
        tables.append(recommender.tables(prepared))
    user, item = tables[arm.fit.best_epoch]
    mine = arm.recommender.tables(data)
    torch.testing.assert_close(mine[0], user)
    torch.testing.assert_close(mine[1], item)


def test_an_arm_may_have_a_learning_rate_of_its_own(make_config, data: HeteroData) -> None:
    config = make_config(
        own_arms={"mrdib": {"learning_rate": 0.03}}, trainer={"learning_rate": 0.01}
    )
    rates = {
        o: train(config, data, o).fit.history[0]["train/learning_rate"] for o in ("bare", "mrdib")
    }
    assert rates == {"bare": 0.01, "mrdib": 0.03}


def test_a_checkpoint_is_written_and_resumed(make_config, data: HeteroData, tmp_path: Path) -> None:
    path = tmp_path / "arm.ckpt"
    first = train(make_config(), data, checkpoint=path)
    assert path.is_file()
    again = train(make_config(), data, checkpoint=path, resume=True)
    assert again.fit.test == first.fit.test and again.fit.history == first.fit.history


def test_arms_and_seeds_in_order_each_handed_out_before_the_next(
    make_config, data: HeteroData, tmp_path: Path
) -> None:
    settings = make_config().settings["vbpr"]
    arms = [build_arm(settings, "vbpr", name) for name in ("bare", "noise")]
    notes: list[str] = []

    @contextmanager
    def within(arm: Arm, seed: int) -> Iterator[None]:
        notes.append(f"begin {arm.label} {seed}")
        yield
        notes.append(f"end {arm.label} {seed}")

    def checkpoint(label: str, seed: int) -> Path:
        return tmp_path / f"{label}-{seed}.ckpt"

    evaluator = Evaluator(data)
    loop = train_arms(arms, [1, 2], data, evaluator, checkpoint=checkpoint, within=within)
    for trained in loop:
        notes.append(f"got {trained.arm.label} {trained.seed}")
        assert checkpoint(trained.arm.label, trained.seed).is_file()
        alone = train_arm(trained.arm, trained.seed, data, evaluator)
        assert alone.fit.history == trained.fit.history or alone.fit.val == trained.fit.val
    expected = [f"vbpr-{name} {seed}" for name in ("bare", "noise") for seed in (1, 2)]
    assert notes == [f"{what} {arm}" for arm in expected for what in ("begin", "got", "end")]


def test_what_is_open_is_left_where_the_caller_fails(make_config, data: HeteroData) -> None:
    left: list[int] = []

    @contextmanager
    def within(arm: Arm, seed: int) -> Iterator[None]:
        try:
            yield
        finally:
            left.append(seed)

    arm = build_arm(make_config().settings["vbpr"], "vbpr", "bare")
    loop = train_arms([arm], [3, 4], data, Evaluator(data), within=within)
    with pytest.raises(ValueError), closing(loop):
        for _ in loop:
            raise ValueError
    assert left == [3]


def test_callbacks_of_the_settings_are_made_anew_for_each_seed(
    make_config, data: HeteroData, tmp_path: Path
) -> None:
    (tmp_path / "mine.py").write_text(
        "from mrdib_graph.training import Callback\n"
        "class Counting(Callback):\n"
        "    calls = 0\n"
        "    def on_epoch_end(self, epoch, metrics, recommender):\n"
        "        self.calls += 1\n"
        "        return {'extra/calls': float(self.calls)}\n"
    )
    config = make_config(trainer={"callbacks": [f"{tmp_path / 'mine.py'}:Counting"]})
    for seed in (0, 1):
        history = train(config, data, seed=seed).fit.history
        assert [metrics["extra/calls"] for metrics in history] == [1, 2]
