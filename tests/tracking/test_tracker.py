from pathlib import Path

import pandas
from matplotlib.figure import Figure

from mrdib_graph.tracking import Tracker


def test_the_base_tracker_keeps_nothing(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    tracker = Tracker()
    state = dict(vars(tracker))
    tracker.start_run("a", params={"x": 1}, tags={"t": "u"}, description="d")
    tracker.log_metrics({"loss": 1.0}, step=0)
    tracker.log_params({"y": 2})
    tracker.set_tags({"t": "v"})
    tracker.set_description("e")
    tracker.log_figure(Figure(), "a.png")
    tracker.log_table(pandas.DataFrame({"a": [1]}), "a.csv")
    tracker.log_text("x", "a.txt")
    tracker.log_artifact(tmp_path / "absent")
    tracker.log_dataset("d", "0", "here", {})
    tracker.log_model(tmp_path / "absent", users=["u"])
    tracker.end_run("failed")
    tracker.close()
    assert vars(tracker) == state
    assert list(tmp_path.iterdir()) == []
