import io

from mrdib_graph.tracking import ConsoleTracker


def test_prints_one_plain_line_a_call() -> None:
    out = io.StringIO()
    tracker = ConsoleTracker(out)
    tracker.start_run("command")
    tracker.start_run("lattice", tags={"seed": "1"})
    tracker.log_metrics({"loss": 0.123456, "recall@20": 0.25}, step=3)
    tracker.log_metrics({"best": 1.0})
    tracker.end_run()
    tracker.end_run("failed")
    lines = out.getvalue().splitlines()
    assert lines[:4] == [
        "[command] started",
        "[command/lattice] started seed=1",
        "[command/lattice] epoch 3  loss 0.1235  recall@20 0.25",
        "[command/lattice] best 1",
    ]
    assert lines[4].startswith("[command/lattice] finished after 0.")
    assert lines[5].startswith("[command] failed after 0.")


def test_every_skips_steps_but_not_values_without_a_step(capsys) -> None:
    tracker = ConsoleTracker(every=2)
    for step in range(5):
        tracker.log_metrics({"loss": 1.0}, step)
    tracker.log_metrics({"test": 2.0})
    assert [line[:7] for line in capsys.readouterr().out.splitlines()] == [
        "epoch 0",
        "epoch 2",
        "epoch 4",
        "test 2",
    ]


def test_close_ends_open_runs_as_killed() -> None:
    out = io.StringIO()
    tracker = ConsoleTracker(out)
    tracker.start_run("a")
    tracker.start_run("b")
    tracker.close()
    assert [line.split(" after")[0] for line in out.getvalue().splitlines()[2:]] == [
        "[a/b] killed",
        "[a] killed",
    ]
