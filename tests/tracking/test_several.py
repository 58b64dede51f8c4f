import inspect
from pathlib import Path
from unittest.mock import create_autospec

import pandas
from matplotlib.figure import Figure

from mrdib_graph.tracking import Tracker, Trackers

FIGURE, FRAME, PATH = Figure(), pandas.DataFrame({"a": [1]}), Path("bundle")
CALLS = {
    "start_run": (("run",), {"params": {"a": 1}, "tags": {"b": "c"}, "description": "d"}),
    "log_metrics": (({"loss": 1.0}, 3), {}),
    "log_params": (({"a": 1},), {}),
    "set_tags": (({"b": "c"},), {}),
    "set_description": (("d",), {}),
    "log_figure": ((FIGURE, "f.png"), {}),
    "log_table": ((FRAME, "t.csv"), {}),
    "log_text": (("text", "t.md"), {}),
    "log_artifact": ((PATH, "folder"), {}),
    "log_dataset": (("planted", "00", "here", {"users": 3}), {}),
    "log_model": ((PATH, "name"), {"users": ["u"]}),
    "end_run": (("failed",), {}),
    "close": ((), {}),
}


def test_every_public_method_is_in_the_table_of_calls() -> None:
    public = {n for n, _ in inspect.getmembers(Tracker, inspect.isfunction) if n[0] != "_"}
    assert public == set(CALLS)


def test_every_call_reaches_each_tracker_with_its_arguments() -> None:
    first, second = (create_autospec(Tracker, instance=True) for _ in range(2))
    both = Trackers(first, second)
    for name, (args, options) in CALLS.items():
        getattr(both, name)(*args, **options)
        for tracker in (first, second):
            getattr(tracker, name).assert_called_once_with(*args, **options)
