"""What MLflow holds of a finished run, read back through its own client."""

import json
from typing import Any

import mlflow
import pytest

EPOCHS = 2
TERMS = {
    "bare": {"ranking"},
    "mrdib": {"ranking", "redundancy", "unique"},
    "noise": {"ranking"},
}


@pytest.fixture(scope="module")
def client(finished) -> mlflow.MlflowClient:
    return mlflow.MlflowClient(f"sqlite:///{finished.folder}/mlflow.db")


@pytest.fixture(scope="module")
def runs(client: mlflow.MlflowClient) -> list[Any]:
    [experiment] = [e for e in client.search_experiments() if e.name != "Default"]
    assert experiment.name == "mrdib/planted"
    return list(client.search_runs([experiment.experiment_id]))


@pytest.fixture(scope="module")
def parent(runs: list[Any]) -> Any:
    [found] = [r for r in runs if "mlflow.parentRunId" not in r.data.tags]
    return found


@pytest.fixture(scope="module")
def children(runs: list[Any], parent: Any) -> dict[str, Any]:
    found = [r for r in runs if r.data.tags.get("mlflow.parentRunId") == parent.info.run_id]
    return {r.info.run_name: r for r in found}


@pytest.fixture(scope="module")
def results(finished) -> dict[str, Any]:
    return dict(json.loads((finished.folder / "results.json").read_text(encoding="utf-8")))


def files(client: mlflow.MlflowClient, run: Any, folder: str) -> set[str]:
    return {f.path for f in client.list_artifacts(run.info.run_id, folder)}


def test_one_parent_and_one_child_for_each_backbone_arm_and_seed(runs, parent, children) -> None:
    arms = ["vbpr-bare", "vbpr-mrdib", "vbpr-noise", "vbpr-bare-late", "lightgcn-bare"]
    assert set(children) == {f"{arm}-seed{seed}" for arm in arms for seed in (0, 1)}
    assert len(runs) == 1 + len(children)
    assert {r.info.status for r in runs} == {"FINISHED"}
    assert parent.info.run_name == "run"  # the folder's name


def test_parameters_are_the_configuration(parent, children) -> None:
    params = parent.data.params
    assert params["dataset"] == "planted" and params["seeds"] == "[0, 1]"
    assert params["settings.vbpr.trainer.epochs"] == str(EPOCHS)
    assert params["dataset_options.num_users"] == "320"
    child = children["vbpr-mrdib-seed1"].data.params
    assert (child["backbone"], child["arm"], child["seed"]) == ("vbpr", "mrdib", "1")
    assert child["embedding_dim"] == "8" and child["trainer.batch_size"] == "512"


def test_tags(parent, children, results) -> None:
    tags = children["vbpr-noise-seed1"].data.tags
    assert (tags["backbone"], tags["arm"], tags["seed"]) == ("vbpr", "noise", "1")
    for run in (parent, *children.values()):
        assert run.data.tags["dataset"] == "planted"
        assert run.data.tags["dataset_digest"] == results["dataset"]["digest"]
        assert run.data.tags["library_version"] == results["environment"]["versions"]["mrdib_graph"]
        assert run.data.tags["commit"] == str(results["environment"]["git"]["commit"])


def test_the_data_set_is_an_input(parent, children, results) -> None:
    for run in (parent, *children.values()):
        [found] = run.inputs.dataset_inputs
        assert found.dataset.name == "planted"
        assert results["dataset"]["digest"].startswith(found.dataset.digest)
        assert json.loads(found.dataset.profile) == results["dataset"]["counts"]


def test_curves_have_one_point_an_epoch(client, children) -> None:
    for name, run in children.items():
        objective = name.split("-")[1]
        expected = {f"train/{term}" for term in TERMS[objective]}
        expected |= {"train/loss", "train/seconds", "train/learning_rate", "train/memory_mb"}
        expected |= {"val/recall_at_20", "val/ndcg_at_20", "val/map_at_5"}
        assert expected <= set(run.data.metrics)
        for metric in expected:
            history = client.get_metric_history(run.info.run_id, metric)
            assert [m.step for m in history] == list(range(EPOCHS)), metric


def test_final_values_are_those_of_the_results(parent, children, results) -> None:
    for arm in results["arms"][2:]:
        for seed in arm["seeds"]:
            run = children[f"{arm['backbone']}-{arm['arm']}-seed{seed['seed']}"]
            for metric in ("recall@20", "ndcg@10"):
                stored = metric.replace("@", "_at_")
                assert run.data.metrics[f"test/{stored}"] == pytest.approx(seed["test"][metric])
                assert run.data.metrics[f"best/{stored}"] == pytest.approx(seed["val"][metric])
            assert run.data.metrics["best_epoch"] == seed["best_epoch"]
        key = f"{arm['backbone']}-{arm['arm']}/test/recall_at_20"
        assert parent.data.metrics[key] == pytest.approx(arm["mean"]["recall@20"])
    for c in results["comparisons"]:
        if c["metric"] == "recall@20" and c["baseline"] == "bare":
            gain = parent.data.metrics[f"vbpr-{c['arm']}/gain_percent"]
            assert gain == pytest.approx(c["gain_percent"])


def test_the_information_of_the_first_seed(children, results) -> None:
    metrics = children["vbpr-mrdib-seed0"].data.metrics
    profile = results["information"]["vbpr-mrdib"]
    assert metrics["information/image/bits"] == profile["modalities"][0]["bits"]["value"]
    unique = profile["pairs"][0]["split"]["unique"]
    assert metrics["information/image-text/unique_text"] == pytest.approx(unique[1])
    assert not any("information" in m for m in children["vbpr-mrdib-seed1"].data.metrics)


def test_description_figures_and_files(client, finished, parent, children) -> None:
    report = (finished.folder / "report.md").read_text(encoding="utf-8")
    note = parent.data.tags["mlflow.note.content"]  # MLflow takes 8,000 characters
    assert note == report or note == report[:7999] + "\u2026"
    assert {"config.yaml", "results.json", "report.md"} <= files(client, parent, "")
    figures = files(client, parent, "figures")
    assert {"figures/gains.png", "figures/information-vbpr-mrdib.png"} <= figures
    for name, run in children.items():
        assert files(client, run, "figures") == {f"figures/curves-{name}.png"}


def test_tables(client, finished, parent, results, monkeypatch: pytest.MonkeyPatch) -> None:
    # load_table reads the global setting
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{finished.folder}/mlflow.db")
    where = parent.info.experiment_id, [parent.info.run_id]
    arms = client.load_table(where[0], "tables/arms.json", where[1])
    assert [tuple(row) for row in arms[["backbone", "arm"]].to_numpy()] == [
        (a["backbone"], a["arm"]) for a in results["arms"]
    ]
    means = [a["mean"]["recall@20"] for a in results["arms"]]
    assert arms["recall@20"].tolist() == pytest.approx(means)
    examples = client.load_table(where[0], "tables/examples.json", where[1])
    assert list(examples) == ["user", "rank", "item", "name", "score"]
    assert sorted(set(examples["rank"])) == [1, 2, 3, 4, 5] and len(examples) == 100


def test_the_model_is_loaded_and_asked(client, finished, parent) -> None:
    import pandas as pd

    from mrdib_graph.serving import Bundle

    [output] = parent.outputs.model_outputs
    model = client.get_logged_model(output.model_id)
    loaded = mlflow.pyfunc.load_model(model.artifact_location)
    answer = loaded.predict(pd.DataFrame({"user": ["3", "7"]}))
    expected = Bundle.load(finished.folder / "bundle").recommend("7")
    mine = answer[answer["user"] == "7"]
    assert mine["item"].astype(str).tolist() == [r.item for r in expected]
    assert mine["score"].tolist() == pytest.approx([r.score for r in expected])
