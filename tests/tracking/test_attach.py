from pathlib import Path

import mlflow
import pytest

from mrdib_graph.errors import ConfigError, DataError
from mrdib_graph.tracking import MLflowTracker, local_uri
from mrdib_graph.tracking.attach import attach_files


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "a.png"
    path.write_bytes(b"png")
    return path


def test_files_join_the_newest_run_of_the_name_and_data(tmp_path: Path, picture: Path) -> None:
    uri = local_uri(tmp_path / "db")
    tracker = MLflowTracker(uri, "mrdib/planted")
    for digest in ("x", "x", "y"):
        tracker.start_run("it's mine", tags={"dataset_digest": digest})
        tracker.start_run("child")
        tracker.end_run()
        tracker.end_run()
    tracker.close()
    client = mlflow.MlflowClient(uri)
    [experiment] = [e for e in client.search_experiments() if e.name == "mrdib/planted"]
    runs = client.search_runs([experiment.experiment_id], order_by=["start_time DESC"])
    of_x = [
        r.info.run_id
        for r in runs
        if r.data.tags.get("dataset_digest") == "x" and r.info.run_name == "it's mine"
    ]
    found = attach_files(uri, "mrdib/planted", "it's mine", [picture], "gallery", "x")
    assert found == of_x[0]
    [file] = client.list_artifacts(found, "gallery")
    assert file.path == "gallery/a.png"
    assert not client.list_artifacts(of_x[1])


def test_a_run_that_is_not_there_is_named(tmp_path: Path, picture: Path) -> None:
    uri = local_uri(tmp_path / "db")
    tracker = MLflowTracker(uri, "mrdib/planted")
    tracker.start_run("parent")
    tracker.start_run("child")
    tracker.close()
    for experiment, run in (("mrdib/other", "parent"), ("mrdib/planted", "child")):
        with pytest.raises(DataError, match=f"no run named '{run}' in the experiment"):
            attach_files(uri, experiment, run, [picture], "gallery")
    with pytest.raises(DataError, match="files cannot be logged"):
        attach_files(uri, "mrdib/planted", "parent", [tmp_path / "absent.png"], "gallery")
    with pytest.raises(ConfigError, match="tracking URI"):
        attach_files(str(tmp_path), "mrdib/planted", "parent", [picture], "gallery")
