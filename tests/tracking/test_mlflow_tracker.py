"""Logs to a real SQLite store and reads back through MLflow's own client."""

import json
import logging
import shutil
import subprocess
import sys
from pathlib import Path

import mlflow
import pandas
import pytest
from matplotlib.figure import Figure

from mrdib_graph.errors import ConfigError, DataError
from mrdib_graph.tracking import MLflowTracker, local_uri, replay
from mrdib_graph.tracking.mlflow_writer import MLflowWriter
from mrdib_graph.tracking.outbox import Outbox

EPOCHS = 4


def log_everything(tracker: MLflowTracker, folder: Path) -> None:
    """A command with two seeds, as the benchmark runner logs it."""
    artifact = folder / "checkpoint.bin"
    artifact.write_bytes(b"weights")
    tracker.start_run(
        "lattice on planted",
        params={
            "epochs": EPOCHS,
            "mrdib": {"alpha_kl": 1e-3, "weights": [1, 2]},
            "long": "x" * 9000,
        },
        tags={"backbone": "lattice", "note@x": "y" * 9000},
        description="# Lattice",
    )
    tracker.log_dataset("planted", "ab" * 32, str(folder), {"users": 3, "items": 4})
    for seed in (0, 1):
        tracker.start_run(f"seed {seed}", params={"seed": seed}, tags={"seed": str(seed)})
        for epoch in range(EPOCHS):
            metrics = {"train/ranking": 1 / (epoch + 1) + seed, "val/recall@20": 0.1 * epoch}
            tracker.log_metrics(metrics, epoch)
        tracker.log_metrics({"test/recall@20": 0.3 + seed})
        tracker.end_run()
    figure = Figure()
    figure.subplots().plot([1, 2])
    tracker.log_figure(figure, "figures/curves.png")
    tracker.log_table(pandas.DataFrame({"slice": ["cold"], "recall@20": [0.5]}), "tables/s.json")
    tracker.log_table(pandas.DataFrame({"item": ["a"]}), "top.csv")
    tracker.log_text("report", "report.md")
    tracker.log_artifact(artifact, "checkpoints")
    tracker.set_tags({"winner": "mrdib"})
    tracker.log_params({"found_later": True})
    tracker.set_description("# Result\n| arm | recall |")
    tracker.end_run()
    tracker.close()


def read_back(uri: str) -> dict:
    """All that a store holds about the one command, as plain values."""
    client = mlflow.MlflowClient(uri)
    experiment = client.get_experiment_by_name("mrdib/planted")
    runs = client.search_runs([experiment.experiment_id], order_by=["attributes.start_time"])
    [parent] = [r for r in runs if "mlflow.parentRunId" not in r.data.tags]
    children = [r for r in runs if r.data.tags.get("mlflow.parentRunId") == parent.info.run_id]
    assert len(runs) == 1 + len(children)
    histories = {
        child.info.run_name: {
            name: [
                (m.step, round(m.value, 9))
                for m in client.get_metric_history(child.info.run_id, name)
            ]
            for name in child.data.metrics
        }
        for child in children
    }
    files, folders = [], [""]
    while folders:
        for entry in client.list_artifacts(parent.info.run_id, folders.pop()):
            (folders if entry.is_dir else files).append(entry.path)
    return {"parent": parent, "children": children, "histories": histories, "files": sorted(files)}


@pytest.fixture(scope="module")
def empty(tmp_path_factory) -> Path:
    """A database with tables and nothing in them: making the tables takes MLflow seconds."""
    folder = tmp_path_factory.mktemp("empty")
    mlflow.MlflowClient(local_uri(folder)).search_experiments()
    return folder / "mlflow.db"


@pytest.fixture
def uri(tmp_path: Path, empty: Path) -> str:
    shutil.copyfile(empty, tmp_path / "mlflow.db")
    return local_uri(tmp_path)


@pytest.fixture(scope="module")
def store(tmp_path_factory, empty: Path) -> tuple[str, Path, dict]:
    out = tmp_path_factory.mktemp("a run")
    shutil.copyfile(empty, out / "mlflow.db")
    uri = local_uri(out)
    log_everything(MLflowTracker(uri, "mrdib/planted"), out)
    return uri, out, read_back(uri)


def test_parent_and_children(store) -> None:
    _, _, found = store
    assert found["parent"].info.run_name == "lattice on planted"
    assert found["parent"].info.status == "FINISHED"
    assert sorted(found["histories"]) == ["seed 0", "seed 1"]
    assert {c.data.params["seed"] for c in found["children"]} == {"0", "1"}


def test_curves(store) -> None:
    for seed in (0, 1):
        history = store[2]["histories"][f"seed {seed}"]
        expected = [(e, round(1 / (e + 1) + seed, 9)) for e in range(EPOCHS)]
        assert history["train/ranking"] == expected
        assert history["val/recall_at_20"] == [(e, round(0.1 * e, 9)) for e in range(EPOCHS)]
        assert history["test/recall_at_20"] == [(0, 0.3 + seed)]


def test_parameters_are_flat_and_cut(store) -> None:
    params = store[2]["parent"].data.params
    assert params["epochs"] == str(EPOCHS)
    assert params["mrdib.alpha_kl"] == "0.001"
    assert params["mrdib.weights"] == "[1, 2]"
    assert params["found_later"] == "True"
    assert len(params["long"]) == 6000


def test_tags_and_description(store) -> None:
    tags = store[2]["parent"].data.tags
    assert tags["backbone"] == "lattice"
    assert tags["winner"] == "mrdib"
    assert len(tags["note_at_x"]) == 8000
    assert tags["mlflow.note.content"].startswith("# Result")
    assert tags["mlflow.source.type"] == "LOCAL"
    assert tags["mlflow.user"]


def test_dataset_is_an_input(store) -> None:
    _, out, found = store
    [given] = found["parent"].inputs.dataset_inputs
    assert given.dataset.name == "planted"
    assert given.dataset.digest == ("ab" * 32)[:36]
    assert json.loads(given.dataset.source) == {"uri": str(out)}
    assert json.loads(given.dataset.profile) == {"users": 3, "items": 4}
    assert [(t.key, t.value) for t in given.tags] == [("mlflow.data.context", "training")]


def test_files_lie_beside_the_database(store, monkeypatch) -> None:
    uri, out, found = store
    assert found["files"] == [
        "checkpoints/checkpoint.bin",
        "figures/curves.png",
        "report.md",
        "tables/s.json",
        "top.csv",
    ]
    [figure] = (out / "artifacts").rglob("curves.png")
    assert figure.read_bytes().startswith(b"\x89PNG")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)  # load_table reads the global setting
    table = mlflow.MlflowClient(uri).load_table(
        found["parent"].info.experiment_id, "tables/s.json", [found["parent"].info.run_id]
    )
    assert table.to_dict("list") == {"slice": ["cold"], "recall@20": [0.5]}


def test_nothing_waits_after_a_good_run(store) -> None:
    assert not list((store[1] / "mlflow-outbox").glob("*"))


def test_one_request_an_epoch(uri: str, monkeypatch) -> None:
    tracker = MLflowTracker(uri, "mrdib/planted")
    tracker.start_run("run")
    calls = []
    for name, method in vars(mlflow.tracking.client.TrackingServiceClient).items():
        if callable(method) and not name.startswith("_"):

            def counted(*args, _name=name, _method=method, **kwargs):
                calls.append(_name)
                return _method(*args, **kwargs)

            monkeypatch.setattr(mlflow.tracking.client.TrackingServiceClient, name, counted)
    for epoch in range(10):
        tracker.log_metrics({f"metric{n}": float(n) for n in range(40)}, epoch)
    assert calls == ["log_batch"] * 10


def test_more_metrics_than_a_request_holds(uri: str) -> None:
    tracker = MLflowTracker(uri, "mrdib/planted")
    tracker.start_run("run")
    tracker.log_metrics({f"m{n}": float(n) for n in range(1500)})
    tracker.end_run()
    tracker.close()
    assert len(read_back(uri)["parent"].data.metrics) == 1500


def test_values_that_are_not_finite_are_kept(uri: str) -> None:
    tracker = MLflowTracker(uri, "mrdib/planted")
    tracker.start_run("run")
    tracker.log_metrics({"loss": float("nan"), "other": float("inf")})
    tracker.end_run("failed")
    tracker.close()
    run = read_back(uri)["parent"]
    assert run.data.metrics["loss"] != run.data.metrics["loss"]
    assert run.data.metrics["other"] > 1e300
    assert run.info.status == "FAILED"


def test_a_parameter_that_changes_is_reported_and_the_others_arrive(uri: str, caplog) -> None:
    tracker = MLflowTracker(uri, "mrdib/planted")
    tracker.start_run("run", params={"a": 1, "b": 1})
    tracker.log_params({"a": 1, "b": 2, "c": 3})
    tracker.close()
    run = read_back(uri)["parent"]
    assert run.data.params == {"a": "1", "b": "1", "c": "3"}
    assert "logged before: b" in caplog.text
    assert run.info.status == "KILLED"


def test_answers_that_are_lost_leave_no_duplicates(
    tmp_path: Path, uri: str, monkeypatch, store
) -> None:
    """Each event is applied, then the call fails as if the answer had not come: all are resent."""
    apply = MLflowWriter.__call__
    seen_events: list = []

    def answer_lost(self, event, path) -> None:
        apply(self, event, path)
        if event not in seen_events:
            seen_events.append(event)
            raise ConnectionError("connection reset by peer")

    monkeypatch.setattr(MLflowWriter, "__call__", answer_lost)
    monkeypatch.setattr("mrdib_graph.tracking.delivery.FIRST_PAUSE", 0.0)
    monkeypatch.setattr("mrdib_graph.tracking.delivery.LONGEST_PAUSE", 0.0)
    monkeypatch.setattr("mrdib_graph.tracking.delivery.PAUSE_PER_WAIT", 0.0)
    tracker = MLflowTracker(uri, "mrdib/planted")
    log_everything(tracker, tmp_path)
    for _ in range(100):
        tracker.close()
    found = read_back(uri)
    assert found["histories"] == store[2]["histories"]
    assert found["files"] == store[2]["files"]
    assert found["parent"].data.params == store[2]["parent"].data.params
    assert not list((tmp_path / "mlflow-outbox").glob("*"))
    assert len(seen_events) > 20


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["file in place of the folder", "not a database"])
def test_a_store_that_cannot_be_written_warns_once_and_is_replayed_later(
    kind: str, tmp_path: Path, caplog, store
) -> None:
    out = tmp_path / "out"
    if kind == "not a database":
        out.mkdir()
        obstacle = out / "mlflow.db"
    else:
        obstacle = out
    obstacle.write_text("this is not what it should be, " * 50)
    files = tmp_path / "files"
    files.mkdir()
    tracker = MLflowTracker(local_uri(out), "mrdib/planted", outbox=tmp_path / "box")
    log_everything(tracker, files)
    warnings = [r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING]
    assert len(warnings) == 2
    assert "does not take events" in warnings[0]
    [left] = (tmp_path / "box").glob("*/events.jsonl")
    assert len(Outbox.load(left).events) > 20

    obstacle.unlink()
    command = warnings[1].split("send them with  ")[1]
    program = sys.executable + command.removeprefix("python")
    subprocess.run(program, shell=True, check=True, timeout=120, cwd=Path(__file__).parents[2])
    shutil.copyfile(out / "mlflow.db", out / "copy.db")  # mlflow keeps the broken one's connection
    found = read_back(f"sqlite:///{out}/copy.db")
    assert found["histories"] == store[2]["histories"]
    assert found["files"] == store[2]["files"]
    assert not left.parent.exists()


def test_replay_to_another_store(tmp_path: Path, empty: Path, store) -> None:
    (tmp_path / "out").write_text("a file")
    tracker = MLflowTracker(local_uri(tmp_path / "out"), "mrdib/planted", outbox=tmp_path / "box")
    log_everything(tracker, tmp_path)
    [left] = (tmp_path / "box").iterdir()
    (tmp_path / "other").mkdir()
    shutil.copyfile(empty, tmp_path / "other" / "mlflow.db")
    other = local_uri(tmp_path / "other")
    assert replay(left, other) > 20
    assert read_back(other)["histories"] == store[2]["histories"]
    assert (tmp_path / "other" / "artifacts").is_dir()


def test_replay_names_a_file_that_is_absent(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file"):
        replay(tmp_path / "events.jsonl")


def test_wrong_use_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="tracking URI 'runs'"):
        MLflowTracker("runs", "mrdib/planted")
    tracker = MLflowTracker(local_uri(tmp_path), "mrdib/planted")
    with pytest.raises(ConfigError, match="'metrics' came while no run is open"):
        tracker.log_metrics({"loss": 1.0})
    with pytest.raises(ConfigError, match="must end in .csv or .json"):
        tracker.log_table(pandas.DataFrame(), "a.xlsx")


@pytest.mark.slow
def test_a_process_is_quiet_and_stays_off_the_network(tmp_path: Path) -> None:
    """No alembic or mlflow chatter, no telemetry, no file outside the output folder."""
    program = f"""
import socket
def refuse(self, address):
    raise SystemExit(f"a connection to {{address}} was attempted")
socket.socket.connect = refuse
import mrdib_graph.tracking
import sys
assert "mlflow" not in sys.modules, "mlflow is imported before it is used"
from mrdib_graph.tracking import MLflowTracker, local_uri
from pathlib import Path
tracker = MLflowTracker(local_uri(Path({str(tmp_path / "out")!r})), "mrdib/planted")
tracker.start_run("run")
tracker.log_metrics({{"loss": 1.0}}, 0)
tracker.log_text("x", "x.txt")
tracker.end_run()
tracker.close()
"""
    cwd = tmp_path / "cwd"
    cwd.mkdir()
    done = subprocess.run(
        [sys.executable, "-W", "error::RuntimeWarning", "-c", program],
        capture_output=True,
        text=True,
        cwd=cwd,
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(Path(__file__).parents[2])},
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert list(cwd.iterdir()) == []
