"""What a tracker is told."""

import dataclasses
from pathlib import Path

import pytest
import torch

from mrdib_graph import graph
from mrdib_graph.evaluation import Evaluator, by_slice
from mrdib_graph.experiment import (
    Arm,
    ArmComparison,
    ArmResult,
    Outputs,
    SeedResult,
    build_arm,
    run_tracking,
    train_arm,
)
from mrdib_graph.serving import Bundle
from mrdib_graph.tracking.limits import flatten

INFO = {
    **{"name": "planted", "digest": "ab" * 32, "source": "generated", "counts": {"users": 3}},
    **{"split_rule": "random", "feature_scaling": "none", "features": {}},
}


@pytest.fixture
def outputs(tmp_path: Path) -> Outputs:
    made = Outputs(tmp_path / "run")
    made.create()
    for path in (made.config, made.results, made.report):
        path.write_text("text")
    return made


def test_the_parent_holds_the_configuration(make_config, notes) -> None:
    config = make_config("vbpr", seeds=[4])
    run_tracking.start_parent(notes, "my run", config, INFO)
    [((name,), named)] = notes.of("start_run")
    assert name == "my run" and named["params"]["seeds"] == [4]
    assert named["params"]["settings"]["vbpr"]["embedding_dim"] == 8
    assert named["tags"]["dataset_digest"] == "ab" * 32
    assert set(named["tags"]) == {"dataset", "dataset_digest", "library_version", "commit"}
    assert notes.of("log_dataset") == [(("planted", "ab" * 32, "generated", {"users": 3}), {})]


def test_where_features_came_from_is_a_parameter_of_parent_and_child(make_config, notes) -> None:
    info = {**INFO, "features": {"text": {"encoder": "minilm", "dimension": 384}}}
    run_tracking.start_parent(notes, "my run", make_config("vbpr"), info)
    with run_tracking.child(notes, Arm("vbpr", "bare"), 0, info):
        pass
    for _, named in notes.of("start_run"):
        flat = flatten(named["params"])
        assert flat["features.text.encoder"] == "minilm"
        assert flat["features.text.dimension"] == "384"


@pytest.mark.parametrize(
    ("error", "status"),
    [(None, "finished"), (ValueError, "failed"), (KeyboardInterrupt, "killed")],
)
def test_a_childs_status_says_how_it_ended(error, status: str, notes) -> None:
    child = run_tracking.child(notes, Arm("own.py:My_Model", "noise"), 3, INFO)
    if error is None:
        with child:
            pass
    else:
        with pytest.raises(error), child:
            raise error
    [((name,), named)] = notes.of("start_run")
    assert name == "mymodel-noise-seed3"
    assert named["params"]["backbone"] == "own.py:My_Model"
    assert (named["params"]["arm"], named["params"]["seed"]) == ("noise", 3)
    tags = named["tags"]
    assert (tags["backbone"], tags["arm"], tags["seed"]) == ("mymodel", "noise", "3")
    assert notes.names() == ["start_run", "log_dataset", "end_run"]
    assert notes.of("end_run") == [((status,), {})]


def test_final_values_of_an_arm(make_config, data, outputs: Outputs, notes) -> None:
    spec = build_arm(make_config("vbpr").settings["vbpr"], "vbpr", "bare")
    arm = train_arm(spec, 2, data, Evaluator(data))
    bare = dataclasses.replace(
        arm.result, test={"recall@20": arm.fit.test["recall@20"] / 2}, seconds_per_epoch=1e9
    )
    slices = by_slice(arm.fit.test_result, data)
    partner = dataclasses.replace(bare, test={"recall@20": arm.fit.test["recall@20"] / 1.25})
    closed = arm_result("closed-form", arm.fit.test["recall@20"] * 2)
    run_tracking.trained(notes, outputs, arm, bare, partner, closed, slices, None)
    assert notes.of("set_tags") == [(({"below_closed_form": "ease"},), {})]
    [((values,), named)] = notes.of("log_metrics")
    assert not named  # values of the whole run, not of an epoch
    assert values["test/recall@20"] == arm.fit.test["recall@20"]
    assert values["best/ndcg@5"] == arm.fit.val["ndcg@5"]
    assert values["best_epoch"] == arm.fit.best_epoch
    assert {"seconds_per_epoch", "peak_memory_mb"} <= set(values)
    assert values["gain_percent"] == pytest.approx(100)
    assert values["gain_over_partner_percent"] == pytest.approx(25)
    assert values["over_closed_form_percent"] == pytest.approx(-50)
    assert values["overhead_percent"] == pytest.approx(-100, abs=1e-3)
    [((table, path), _)] = notes.of("log_table")
    assert path == "tables/slices.json" and list(table["slice"]) == list(slices)
    assert list(table["recall@20"]) == [r.mean["recall@20"] for r in slices.values()]
    [(given, _)] = notes.of("log_artifact")
    assert given == (outputs.figures / "curves-vbpr-bare-seed2.png", "figures")
    assert given[0].read_bytes().startswith(b"\x89PNG")


def arm_result(arm: str, value: float) -> ArmResult:
    metrics = {"recall@20": value, "ndcg@20": value / 2}
    seed = SeedResult(0, 0, 1, 1.0, 1.0, metrics, metrics, torch.arange(3), {})
    partner = {"mrdib": "bare", "mrdib-late": "bare-late"}.get(arm)
    backbone = "ease" if arm == "closed-form" else "vbpr"
    return ArmResult(backbone, arm, [seed], partner=partner)


def comparison(arm: str, baseline: str, metric: str, gain: float) -> ArmComparison:
    return ArmComparison("vbpr", baseline, arm, metric, gain, 0.1, 0.1, None, (-1.0, 9.0))


def test_the_end_of_the_parent(outputs: Outputs, data, notes) -> None:
    arms = [arm_result("bare", 0.2), arm_result("mrdib", 0.25), arm_result("mrdib-late", 0.3)]
    comparisons = [
        comparison("mrdib", "bare", "recall@20", 25.0),
        comparison("mrdib", "bare", "ndcg@20", 99.0),
        comparison("mrdib", "noise", "recall@20", 5.0),
        comparison("mrdib-late", "bare", "recall@20", 50.0),
        comparison("mrdib-late", "bare-late", "recall@20", 7.0),
    ]
    train = graph.interactions(data, "train")
    names = [f"item {i}" for i in range(100)]
    tables = torch.randn(120, 4), torch.randn(100, 4)
    bundle = Bundle.from_tables(*tables, train, item_names=names)
    run_tracking.finish_parent(notes, outputs, arms, comparisons, "# Report", bundle)
    assert notes.of("log_metrics")[0][0][0] == {
        "vbpr-bare/test/recall@20": 0.2,
        "vbpr-mrdib/test/recall@20": 0.25,
        "vbpr-mrdib/gain_percent": 25.0,
        "vbpr-mrdib/gain_over_partner_percent": 25.0,
        "vbpr-mrdib-late/test/recall@20": 0.3,
        "vbpr-mrdib-late/gain_percent": 50.0,
        "vbpr-mrdib-late/gain_over_partner_percent": 7.0,
    }
    assert notes.of("set_description") == [(("# Report",), {})]
    frames = {given[1]: given[0] for given, _ in notes.of("log_table")}
    assert list(frames) == ["tables/arms.json", "tables/examples.json"]
    assert frames["tables/arms.json"].to_dict("list") == {
        **{"backbone": ["vbpr"] * 3, "arm": ["bare", "mrdib", "mrdib-late"]},
        **{"recall@20": [0.2, 0.25, 0.3], "ndcg@20": [0.1, 0.125, 0.15]},
    }
    examples = frames["tables/examples.json"]
    first = bundle.recommend("0", 5)
    assert examples["item"].tolist()[:5] == [r.item for r in first]
    assert examples["name"].tolist()[:5] == [f"item {r.item}" for r in first]
    assert examples["user"].nunique() == 20 and len(examples) == 100
    assert notes.of("log_model") == [((outputs.bundle,), {"users": ["0", "1", "2"]})]
    logged = [given[0].name for given, _ in notes.of("log_artifact")]
    assert logged == ["config.yaml", "results.json", "report.md"]
    assert notes.calls[-1][:2] == ("end_run", ("finished",))


def test_the_parent_says_what_ends_below_a_closed_form(outputs: Outputs, notes) -> None:
    arms = [arm_result("closed-form", 0.25), arm_result("bare", 0.2), arm_result("mrdib", 0.3)]
    run_tracking.finish_parent(notes, outputs, arms, [], "# Report", None)
    values = notes.of("log_metrics")[0][0][0]
    gaps = {k: v for k, v in values.items() if k.endswith("over_closed_form_percent")}
    assert gaps == {
        "vbpr-bare/over_closed_form_percent": pytest.approx(-20),
        "vbpr-mrdib/over_closed_form_percent": pytest.approx(20),
    }
    [(given, _)] = notes.of("set_tags")
    assert given[0]["below_closed_form"].startswith("vbpr bare ends below ease (recall@20 .2000")


def test_without_a_recommender_there_is_no_model(outputs: Outputs, notes) -> None:
    run_tracking.finish_parent(
        notes, outputs, [arm_result("closed-form", 0.3)], [], "# Report", None
    )
    assert not notes.of("log_model") and len(notes.of("log_table")) == 1


def test_a_figure_is_kept_and_logged(outputs: Outputs, notes) -> None:
    history = [{"train/loss": 1.0, "val/recall@20": 0.1}, {"train/loss": 0.5, "val/recall@20": 0.2}]
    assert run_tracking.draw(notes, outputs, "curves", "a.png", history, 1) == "a.png"
    path = outputs.figures / "a.png"
    assert path.read_bytes().startswith(b"\x89PNG")
    assert notes.of("log_artifact") == [((path, "figures"), {})]
