import json

import pytest

from mrdib_graph.errors import ConfigError
from mrdib_graph.evaluation import EvaluatorConfig
from mrdib_graph.experiment import Experiment, Outputs, SavedRun, build_arms, run_tracking
from mrdib_graph.experiment.run_metrics import added, evaluator_config
from mrdib_graph.tracking import Tracker

MORE = ["hit_rate", "auc", "coverage", "cold_exposure"]


def test_a_configuration_adds_to_the_usual_ones(make_config) -> None:
    usual = EvaluatorConfig.metrics
    assert evaluator_config(make_config()).metrics == usual
    config = make_config(metrics=["MRR", "Recall", "gini"])
    assert evaluator_config(config).metrics == (*usual, "MRR", "gini")
    assert added(["recall@20", "mrr@20", "auc"]) == ["mrr@20", "auc"]


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"metrics": ["hitrat"]}, "metrics: 'hitrat' is unknown; did you mean 'hitrate'"),
        ({"metrics": ["gini"], "trainer": {"monitor": "gini@20"}}, "a smaller value is better"),
        ({"trainer": {"monitor": "mrr@20"}}, "monitor: 'mrr@20' is unknown"),
    ],
)
def test_what_is_refused(make_config, changes, text) -> None:
    with pytest.raises(ConfigError, match=text):
        build_arms(make_config(**changes))
    with pytest.raises(ConfigError, match="names one twice"):
        make_config(metrics=["mrr", "M-R-R"])


def test_a_run_with_more_metrics(make_config, tmp_path, monkeypatch) -> None:
    """Logged, written, compared where users have a value, read back, and shown in a table."""
    logged: dict[str, float] = {}

    class Notes(Tracker):
        def log_metrics(self, metrics, step=None) -> None:  # noqa: ARG002
            logged.update(metrics)

    monkeypatch.setattr(run_tracking, "draw", lambda *given, **_: given[3])
    config = make_config(
        arms=["bare", "noise"], baselines=["popularity"], metrics=MORE, trainer={"monitor": "auc"}
    )
    said: list[str] = []
    Experiment(config, Notes(), said.append).run(Outputs(tmp_path / "run"))
    results = json.loads((tmp_path / "run" / "results.json").read_text())
    assert results["set_metrics"] == [f"coverage@{k}" for k in (5, 10, 20, 50)]
    assert {f"{split}/{m}" for split in ("val", "test", "best") for m in ("auc", "coverage@5")} <= (
        logged.keys()
    )
    [popularity, bare, _] = results["arms"]
    seed = bare["seeds"][0]
    assert logged["test/auc"] != seed["val"]["auc"] > 0
    assert bare["mean"]["coverage@20"] == seed["test"]["coverage@20"] > 0
    assert (
        popularity["seeds"][0]["val"]["hit_rate@20"] >= popularity["seeds"][0]["val"]["recall@20"]
    )
    compared = {c["metric"] for c in results["comparisons"]}
    assert {"auc", "hit_rate@20", "cold_exposure@5", "recall@20"} < compared
    assert not compared & set(results["set_metrics"])
    [_, read, _] = SavedRun(tmp_path / "run").results_of_arms
    assert read.seeds[0].test == seed["test"]
    assert float(read.per_user("auc").mean()) == pytest.approx(seed["test"]["auc"], abs=1e-12)
    assert "coverage@20" not in read.seeds[0].per_user
    table = said[-1].partition("More metrics")[2]
    assert all(name in table for name in ("hit_rate@20", "auc", "coverage@20", "popularity"))
    assert "hit_rate@5" not in table


def test_a_run_without_them_has_no_such_table(make_config, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(run_tracking, "draw", lambda *given, **_: given[3])
    said: list[str] = []
    results = Experiment(make_config(arms=["bare"]), Tracker(), said.append).run(
        Outputs(tmp_path / "run")
    )
    assert results["set_metrics"] == [] and "More metrics" not in said[-1]
    assert {name.partition("@")[0] for name in results["arms"][0]["mean"]} == {
        *EvaluatorConfig.metrics
    }
