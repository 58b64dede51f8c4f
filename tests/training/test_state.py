import pytest
import torch

from mrdib_graph.errors import CheckpointError, TrainingError
from mrdib_graph.loader import TripletLoader
from mrdib_graph.training import TrainerConfig
from mrdib_graph.training.state import TrainingState


def make_state(recommender, data, batch_size=32, **options):
    loader = TripletLoader(data, batch_size, generator=torch.Generator().manual_seed(0))
    return TrainingState(recommender, loader, TrainerConfig(batch_size=batch_size, **options))


def test_best_weights_are_a_copy_and_come_back(tiny, make_recommender):
    recommender = make_recommender(tiny)
    state = make_state(recommender, tiny)
    state.epoch = 1
    state.evaluated(0.3, {"recall@20": 0.3})
    best = {name: value.clone() for name, value in recommender.state_dict().items()}
    with torch.no_grad():
        recommender.backbone.item.weight.add_(1.0)
    state.epoch = 2
    state.evaluated(0.3, {"recall@20": 0.3})  # a tie is no improvement
    assert (state.best_epoch, state.best_value, state.without_improvement) == (0, 0.3, 1)
    state.load_best()
    assert all(torch.equal(v, best[name]) for name, v in recommender.state_dict().items())
    state.epoch = 3
    state.evaluated(0.4, {"recall@20": 0.4})
    assert (state.best_epoch, state.without_improvement) == (2, 0)


@pytest.mark.parametrize("poison", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_never_written(tiny, make_recommender, tmp_path, poison):
    recommender, path = make_recommender(tiny), tmp_path / "checkpoint.pt"
    state = make_state(recommender, tiny)
    state.save(path)
    before = path.read_bytes()
    with torch.no_grad():
        recommender.backbone.item.weight[3, 1] = poison
    with pytest.raises(TrainingError, match=r"weights of 'backbone\.item\.weight' are not finite"):
        state.save(path)
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"learning_rate": 0.5}, r"learning_rate=0\.001, this run has 0\.5"),
        ({"seed": 7}, "seed=0, this run has 7"),
        ({"eval_every": 2}, "eval_every=1, this run has 2"),
        ({"num_negatives": 4}, "num_negatives=None, this run has 4"),
        ({"monitor": "ndcg@5"}, "monitor='recall@20', this run has 'ndcg@5'"),
        ({"zero_grad": "zeros"}, "zero_grad='none', this run has 'zeros'"),
        ({"lr_decay": 0.9}, r"lr_decay=1\.0, this run has 0\.9"),
        ({"weight_decay": 0.1}, r"weight_decay=0\.0, this run has 0\.1"),
        ({"batch_size": 16}, "batch_size=32, this run has 16"),
        ({"optimizer": "sgd"}, "optimizer='adam', this run has 'sgd'"),
        ({"optimizer_options": {"amsgrad": True}}, "optimizer_options={}, this run has {'amsgrad"),
        ({"schedule": "cosine"}, "schedule='none', this run has 'cosine'"),
        ({"warmup_epochs": 3}, "warmup_epochs=0, this run has 3"),
        ({"clip_norm": 1.0}, r"clip_norm=0\.0, this run has 1\.0"),
        ({"average": "ema"}, "average='none', this run has 'ema'"),
        ({"autocast": "bfloat16"}, "autocast='none', this run has 'bfloat16'"),
    ],
)
def test_other_settings_are_refused(tiny, make_recommender, tmp_path, options, message):
    path = tmp_path / "checkpoint.pt"
    make_state(make_recommender(tiny), tiny).save(path)
    recommender = make_recommender(tiny, seed=1)
    before = recommender.backbone.item.weight.clone()
    with pytest.raises(CheckpointError, match=f"checkpoint.pt: written with {message}"):
        make_state(recommender, tiny, **options).load(path)
    assert torch.equal(recommender.backbone.item.weight, before)


def test_how_long_and_where_may_change(tiny, make_recommender, tmp_path):
    path, recommender = tmp_path / "checkpoint.pt", make_recommender(tiny)
    make_state(recommender, tiny).save(path)
    other = make_recommender(tiny, seed=1)
    free = {"epochs": 3, "patience": 1, "checkpoint_seconds": 5.0, "device": "cpu"}
    make_state(other, tiny, **free).load(path)
    assert torch.equal(other.backbone.item.weight, recommender.backbone.item.weight)


@pytest.mark.parametrize("other", [("lightgcn", "bare"), ("vbpr", "mine")])
def test_another_model_is_refused(tiny, make_recommender, tmp_path, other):
    path = tmp_path / "checkpoint.pt"
    make_state(make_recommender(tiny), tiny).save(path)
    with pytest.raises(CheckpointError, match=r"checkpoint\.pt: of another model"):
        make_state(make_recommender(tiny, *other), tiny).load(path)


def test_other_batches_are_refused(tiny, make_tiny, make_recommender, tmp_path):
    path = tmp_path / "checkpoint.pt"
    make_state(make_recommender(tiny), tiny).save(path)
    fewer = make_tiny()
    fewer["user", "interacts", "item"].train_mask[40:] = False
    with pytest.raises(CheckpointError, match="written with 7 steps an epoch, this run has 1"):
        make_state(make_recommender(tiny), fewer).load(path)


def test_a_run_without_an_evaluation_has_no_best_epoch(tiny, make_recommender):
    with pytest.raises(CheckpointError, match="before its first evaluation.*raise epochs"):
        make_state(make_recommender(tiny), tiny, epochs=4).load_best()


def test_finished_by_epochs_or_patience_but_never_inside_an_epoch(tiny, make_recommender):
    state = make_state(make_recommender(tiny), tiny, epochs=5, patience=2)
    assert not state.finished
    state.without_improvement = 2
    assert not state.finished
    state.without_improvement = 3
    assert state.finished
    state.step = 1
    assert not state.finished
    state.step, state.without_improvement, state.epoch = 0, 0, 5
    assert state.finished
