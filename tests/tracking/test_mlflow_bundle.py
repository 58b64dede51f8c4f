from pathlib import Path

import mlflow
import pandas
import pytest
import torch
from mlflow.entities import LoggedModelStatus

from mrdib_graph.serving import Bundle
from mrdib_graph.tracking import MLflowTracker, local_uri
from mrdib_graph.tracking.mlflow_bundle import log_bundle


@pytest.fixture(scope="module")
def logged(tmp_path_factory) -> tuple[str, Path, Bundle]:
    out = tmp_path_factory.mktemp("out")
    draw = torch.Generator().manual_seed(0)
    users, items = (torch.randn(n, 4, generator=draw) for n in (5, 30))
    ids = [f"user {n}" for n in range(5)]
    bundle = Bundle.from_tables(users, items, torch.tensor([[0, 1], [2, 3]]), user_ids=ids)
    bundle.save(out / "bundle")
    tracker = MLflowTracker(local_uri(out), "mrdib/planted")
    tracker.start_run("run")
    tracker.log_model(out / "bundle", users=["user 2", "user 3"])
    tracker.end_run()
    tracker.close()
    assert not list((out / "mlflow-outbox").glob("*"))
    return local_uri(out), out, bundle


def models(uri: str) -> list:
    client = mlflow.MlflowClient(uri)
    experiment = client.get_experiment_by_name("mrdib/planted")
    return client.search_logged_models([experiment.experiment_id])


def test_the_model_belongs_to_the_run_and_is_ready(logged) -> None:
    uri, out, _ = logged
    [model] = models(uri)
    run = mlflow.MlflowClient(uri).get_run(model.source_run_id)
    assert model.name == "recommender"
    assert model.status == LoggedModelStatus.READY
    assert [m.model_id for m in run.outputs.model_outputs] == [model.model_id]
    assert model.artifact_location.startswith(f"file://{out}/artifacts")
    assert not list(out.rglob("*.pkl"))


def test_the_model_loads_and_recommends_what_the_bundle_recommends(logged) -> None:
    uri, _, bundle = logged
    [model] = models(uri)
    loaded = mlflow.pyfunc.load_model(model.artifact_location)
    assert loaded.metadata.signature.inputs.input_names() == ["user"]
    assert {"user", "item", "rank", "score"} <= set(loaded.metadata.signature.outputs.input_names())
    example = loaded.metadata.load_input_example(model.artifact_location.removeprefix("file://"))
    assert example.to_dict("list") == {"user": ["user 2", "user 3"]}
    answer = loaded.predict(pandas.DataFrame({"user": ["user 1", "user 4"]}))
    for user in ("user 1", "user 4"):
        expected = [r.item for r in bundle.recommend(user, k=10)]
        assert answer[answer["user"] == user]["item"].tolist() == expected
    assert answer["rank"].tolist() == [*range(1, 11), *range(1, 11)]


def test_logging_again_makes_no_second_model(logged) -> None:
    uri, out, _ = logged
    [model] = models(uri)
    client = mlflow.MlflowClient(uri)
    log_bundle(client, model.experiment_id, model.source_run_id, out / "bundle", "recommender")
    assert [m.model_id for m in models(uri)] == [model.model_id]


def test_an_interrupted_model_is_replaced(logged) -> None:
    uri, out, _ = logged
    client = mlflow.MlflowClient(uri)
    [model] = models(uri)
    half = client.create_logged_model(model.experiment_id, "second", model.source_run_id)
    log_bundle(client, model.experiment_id, model.source_run_id, out / "bundle", "second")
    [second] = [m for m in models(uri) if m.name == "second"]
    assert second.model_id != half.model_id
    assert second.status == LoggedModelStatus.READY


def test_a_bundle_that_is_absent_is_reported_and_ends_nothing(tmp_path: Path, caplog) -> None:
    tracker = MLflowTracker(local_uri(tmp_path), "mrdib/planted")
    tracker.start_run("run")
    tracker.log_model(tmp_path / "absent")
    tracker.log_metrics({"test": 1.0})
    tracker.end_run()
    tracker.close()
    assert "refused 'model'" in caplog.text
    [run] = mlflow.MlflowClient(local_uri(tmp_path)).search_runs(["1"])
    assert run.data.metrics == {"test": 1.0}
