"""A training that is measured step by step."""

from mrdib_graph.backbones.late_fusion import LateFusion
from mrdib_graph.testing.random_graph import SHAPES, random_graph
from mrdib_graph.testing.timed_training import TimedTraining, backbones_of


def test_backbones_of_a_flag():
    assert backbones_of("vbpr,lightgcn") == ["vbpr", "lightgcn"]
    assert {"lattice", "vbpr"} <= set(backbones_of("all"))


def test_late_fusion_and_mrdib_stand_where_they_are_asked_for() -> None:
    data = random_graph(SHAPES["tiny"], {"a": 4})
    training = TimedTraining("lightgcn", data, late=True, mrdib=True)
    assert isinstance(training.recommender.backbone, LateFusion)
    training.first_steps()
    assert training.at == 2


def test_training_takes_steps_on_the_batches_in_turn() -> None:
    training = TimedTraining("lightgcn", random_graph(SHAPES["tiny"], {"a": 4}))
    before = training.recommender.tables(training.data)[0].clone()
    training.first_steps()
    assert training.at == 2
    assert not bool((training.recommender.tables(training.data)[0] == before).all())
