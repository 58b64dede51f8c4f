import sys
import time

import pytest

from mrdib_graph.training.progress import Progress


@pytest.fixture
def clock(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


def test_plain_lines_come_at_most_every_fifteen_seconds(clock, capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: False)
    progress = Progress(10, "vbpr")
    for epoch, at in enumerate((5.0, 14.0, 16.0, 20.0, 32.0)):
        clock[0] = at
        progress.update(epoch, loss=0.5 - epoch / 100, monitor="recall@20", value=0.1, best=0.25)
    progress.close()
    lines = capsys.readouterr().out.splitlines()
    assert lines == [
        "vbpr: epoch 3 of at most 10, loss 0.4800, validation recall@20 0.1000 (best 0.2500)",
        "vbpr: epoch 5 of at most 10, loss 0.4600, validation recall@20 0.1000 (best 0.2500)",
    ]


def test_quiet_shows_nothing(clock, capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    progress = Progress(10, "vbpr", quiet=True)
    clock[0] = 100.0
    progress.update(0, 0.5, "recall@20", 0.1, 0.1)
    progress.close()
    output = capsys.readouterr()
    assert output.out == output.err == ""


def test_a_terminal_gets_one_line_that_moves_and_goes(capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    progress = Progress(10, "vbpr")
    progress.update(3, 0.5, "recall@20", 0.1, 0.25)
    shown = capsys.readouterr()
    assert "vbpr" in shown.err and "4/10" in shown.err and "(best 0.2500)" in shown.err
    assert shown.out == "" and "\n" not in shown.err
    progress.close()
    assert capsys.readouterr().err.rsplit("\r", 2)[-2].strip() == ""
