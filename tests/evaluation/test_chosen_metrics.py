import pytest
import torch

from mrdib_graph.errors import ConfigError
from mrdib_graph.evaluation import Evaluator, EvaluatorConfig
from mrdib_graph.evaluation.chosen_metrics import catalogue, chosen_metrics, read_by
from mrdib_graph.metrics import Diversity, Recall
from mrdib_graph.testing import tiny_data

OWN = '''
from mrdib_graph.metrics import Metric


class FirstPlace(Metric):
    """Whether the first place is a hit."""

    def compute(self, ranking):
        return ranking.hits[:, 0].double()
'''


def test_cutoffs_are_innermost_and_come_once_where_there_is_none() -> None:
    found = chosen_metrics(["recall", "auc", "Hit-Rate", Diversity], [5, 10])
    assert [metric.name for metric in found] == [
        *("recall@5", "recall@10", "auc", "hit_rate@5", "hit_rate@10"),
        *("diversity@5", "diversity@10"),
    ]
    assert read_by(found) == {"scores", "lists", "features"}
    assert read_by(found[:2]) == set()


def test_one_of_your_own_from_a_file(tmp_path) -> None:
    path = tmp_path / "mine.py"
    path.write_text(OWN)
    evaluator = Evaluator(tiny_data(), EvaluatorConfig((1,), (f"{path}:FirstPlace", "hit_rate")))
    result = evaluator(torch.rand(30, 3), torch.rand(40, 3))
    assert torch.equal(result.per_user["first_place@1"], result.per_user["hit_rate@1"])
    with pytest.raises(ConfigError, match=r"metrics: .*mine.py has no Metric named 'Second'"):
        EvaluatorConfig(metrics=(f"{path}:Second",))


def test_refusals() -> None:
    with pytest.raises(ConfigError, match="metrics: 'recal' is unknown; did you mean 'recall'"):
        chosen_metrics(["recal"], [5])
    with pytest.raises(ConfigError, match="metrics: 'recall' is there twice"):
        chosen_metrics(["recall", Recall], [5])
    with pytest.raises(ConfigError, match="diversity@5 compares features, and the graph has no"):
        Evaluator(tiny_data(modalities=()), EvaluatorConfig((5,), ("recall", "diversity")))


def test_the_catalogue() -> None:
    data = tiny_data()
    plain = catalogue(data, chosen_metrics(["recall"], [5]))
    train = data["user", "interacts", "item"].train_mask
    item = data["user", "interacts", "item"].edge_index[1, train]
    assert plain.popularity.tolist() == [int((item == i).sum()) for i in range(40)]
    assert (plain.num_users, plain.features) == (30, None)
    features = catalogue(data, chosen_metrics(["diversity"], [5])).features
    assert features is not None and [x.shape for x in features] == [(40, 12), (40, 7)]
    lengths = features[1].norm(dim=1)  # item 3 lacks the modality
    torch.testing.assert_close(lengths, (torch.arange(40) != 3).float())
