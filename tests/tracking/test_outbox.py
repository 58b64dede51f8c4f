import json
from dataclasses import replace
from pathlib import Path

import pytest

from mrdib_graph.errors import DataError
from mrdib_graph.tracking.outbox import Event, Outbox

HEADER = {"uri": "http://h:1", "experiment": "mrdib/planted", "artifact_location": None}


def event(number: int, file: str | None = None) -> Event:
    return Event("metrics", "run", number, {"values": {"loss": float(number)}, "step": 0}, file)


def test_nothing_is_written_while_nothing_waits(tmp_path: Path) -> None:
    Outbox(tmp_path / "box", HEADER)
    assert list(tmp_path.iterdir()) == []


def test_events_survive_the_process_in_order(tmp_path: Path) -> None:
    box = Outbox(tmp_path / "box", HEADER)
    for number in range(5):
        box.append(event(number))
    again = Outbox.load(tmp_path / "box")
    assert again.header == HEADER
    assert again.events == box.events == [event(n) for n in range(5)]
    assert Outbox.load(box.file).events == again.events


def test_files_are_copied_and_follow_the_events(tmp_path: Path) -> None:
    source, folder = tmp_path / "a.txt", tmp_path / "bundle"
    source.write_text("before")
    folder.mkdir()
    (folder / "x").write_text("x")
    box = Outbox(tmp_path / "box", HEADER)
    box.append(event(0, str(source)))
    box.append(event(1, str(folder)))
    source.write_text("after")
    kept = [box.path_of(e) for e in Outbox.load(box.folder).events]
    assert kept[0].read_text() == "before"
    assert (kept[1] / "x").read_text() == "x"
    box.replace(box.events[1:])
    assert not kept[0].exists()
    assert kept[1].exists()
    box.replace([])
    assert not box.folder.exists()


def test_a_loaded_outbox_does_not_overwrite_the_files_that_wait(tmp_path: Path) -> None:
    source = tmp_path / "a.txt"
    box = Outbox(tmp_path / "box", HEADER)
    for text in ("first", "second"):
        source.write_text(text)
        box.append(event(0, str(source)))
    again = Outbox.load(box.folder)
    source.write_text("third")
    again.append(event(1, str(source)))
    assert [again.path_of(e).read_text() for e in again.events] == ["first", "second", "third"]


def test_replace_keeps_the_rest_on_disk(tmp_path: Path) -> None:
    box = Outbox(tmp_path / "box", HEADER)
    for number in range(4):
        box.append(event(number))
    box.replace(box.events[2:])
    box.append(event(9))
    assert [e.time for e in Outbox.load(box.folder).events] == [2, 3, 9]


def test_rejected_events_stay_with_reason_and_file(tmp_path: Path) -> None:
    source = tmp_path / "a.txt"
    source.write_text("text")
    box = Outbox(tmp_path / "box", HEADER)
    box.append(event(3, str(source)))
    box.reject(box.events[0], "no such run")
    box.replace([])
    [line] = box.rejected_file.read_text().splitlines()
    assert json.loads(line)["reason"] == "no such run"
    assert (box.folder / json.loads(line)["file"]).read_text() == "text"


def test_a_failing_disk_keeps_the_events_in_memory_and_heals(tmp_path: Path) -> None:
    blocked = tmp_path / "box"
    blocked.write_text("a file where the folder should be")
    box = Outbox(blocked, HEADER)
    for number in range(2):
        with pytest.raises(OSError, match="box"):
            box.append(event(number))
    blocked.unlink()
    box.append(event(2))
    assert [e.time for e in Outbox.load(blocked).events] == [0, 1, 2]


def test_the_last_line_may_be_cut_off(tmp_path: Path, caplog) -> None:
    box = Outbox(tmp_path / "box", HEADER)
    box.append(event(0))
    with box.file.open("a") as out:
        out.write('{"op": "metr')
    assert Outbox.load(box.folder).events == [event(0)]
    assert "cut off" in caplog.text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ('{"uri": "x"}\nnonsense\n', "line 2"),
        ('{"uri": "x"}\n{"op": "metrics", "colour": 1}\n', "line 2"),
        ("[1]\n", "line 1"),
    ],
)
def test_damaged_files_are_named(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "events.jsonl"
    file.write_text(text)
    with pytest.raises(DataError, match=message) as caught:
        Outbox.load(file)
    assert str(file) in str(caught.value)


def test_an_absent_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file"):
        Outbox.load(tmp_path / "events.jsonl")


def test_events_are_equal_by_value() -> None:
    assert event(1) == event(1) != replace(event(1), time=2)
