"""Where feature rows came from ends in everything that a run leaves."""

import json
import shlex
from pathlib import Path

import mlflow
import numpy as np

from mrdib_graph.features import encode_text, write_features


def test_provenance_of_features_is_in_files_and_mlflow(job, data_folder: Path, tmp_path) -> None:
    texts = [f"kind {i % 5} maker {i % 7}" for i in range(24)]
    features = encode_text(texts, dim=5, cache=False)
    write_features(data_folder, "text", features, overwrite=True)
    out = tmp_path / "run"
    done = job(
        *("--backbone", "vbpr", "--dataset", data_folder, "--arms", "bare", "--epochs", "1"),
        *("--seeds", "0", "--no-profile", "--baselines", "none", "--quiet", "--out", out),
    )
    assert done.status == 0, done.err
    found = json.loads((out / "results.json").read_text(encoding="utf-8"))["dataset"]["features"]
    record = json.loads((data_folder / "text_feat.json").read_text(encoding="utf-8"))
    assert list(found) == ["text"]  # the others have no record
    for name in ("encoder", "version", "pooling", "input_digest", "output_digest", "file_digest"):
        assert found["text"][name] == record[name], name
    report = (out / "report.md").read_text(encoding="utf-8")
    assert f"text 5 (made by tfidf-svd, {record['version']})" in report
    client = mlflow.MlflowClient(f"sqlite:///{out}/mlflow.db")
    [experiment] = [e for e in client.search_experiments() if e.name != "Default"]
    runs = client.search_runs([experiment.experiment_id])
    assert len(runs) == 2  # the command and its arm
    for run in runs:
        for name, value in found["text"].items():
            assert run.data.params[f"features.text.{name}"] == str(value), name


def test_rows_that_a_record_does_not_fit_end_with_3(job, data_folder: Path, tmp_path) -> None:
    features = encode_text([f"kind {i % 5} {i}" for i in range(24)], dim=5, cache=False)
    write_features(data_folder, "text", features, overwrite=True)
    np.save(data_folder / "text_feat.npy", np.ones((24, 5), np.float32))
    flags = shlex.split("--backbone vbpr --seeds 0 --epochs 1 --no-mlflow --quiet --out")
    done = job(*flags, tmp_path / "run", "--dataset", data_folder)
    assert done.status == 3 and "Traceback" not in done.err
    assert "text_feat.json" in done.err and "text_feat.npy" in done.err
    assert not (tmp_path / "run").exists()
