"""Eight processes log into one new SQLite database at the same time."""

import os
import subprocess
import sys
from pathlib import Path

import mlflow
import pytest

from mrdib_graph.tracking import local_uri

PROCESSES, EPOCHS, METRICS = 8, 40, 5

PROGRAM = """
import sys
from mrdib_graph.tracking import MLflowTracker
number, uri = int(sys.argv[1]), sys.argv[2]
tracker = MLflowTracker(uri, "mrdib/planted")
tracker.start_run(f"process {number}", params={"seed": number})
for epoch in range(EPOCHS):
    tracker.log_metrics({f"m{m}": number + epoch / 100 + m for m in range(METRICS)}, epoch)
tracker.log_text("done", "done.txt")
tracker.end_run()
tracker.close()
"""


@pytest.mark.slow
def test_every_metric_is_there_once(tmp_path: Path) -> None:
    program = PROGRAM.replace("EPOCHS", str(EPOCHS)).replace("METRICS", str(METRICS))
    uri = local_uri(tmp_path / "out")
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", program, str(number), uri],
            stderr=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[2],
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
        for number in range(PROCESSES)
    ]
    try:
        for process in processes:
            _, messages = process.communicate(timeout=300)
            assert (process.returncode, messages) == (0, "")
    finally:
        for process in processes:
            process.kill()
    client = mlflow.MlflowClient(uri)
    experiment = client.get_experiment_by_name("mrdib/planted")
    runs = client.search_runs([experiment.experiment_id])
    assert sorted(run.info.run_name for run in runs) == [f"process {n}" for n in range(PROCESSES)]
    for run in runs:
        number = int(run.data.params["seed"])
        assert run.info.status == "FINISHED"
        for m in range(METRICS):
            history = client.get_metric_history(run.info.run_id, f"m{m}")
            expected = [(epoch, number + epoch / 100 + m) for epoch in range(EPOCHS)]
            assert [(entry.step, entry.value) for entry in history] == expected
        assert [f.path for f in client.list_artifacts(run.info.run_id)] == ["done.txt"]
    assert not list((tmp_path / "out" / "mlflow-outbox").glob("*"))
