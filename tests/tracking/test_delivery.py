"""A server in memory that can be away, refuse, or lose its answers."""

import logging
from pathlib import Path

import pytest

from mrdib_graph.tracking import delivery
from mrdib_graph.tracking.delivery import Delivery, RejectedError
from mrdib_graph.tracking.outbox import Event, Outbox


class Server:
    def __init__(self) -> None:
        self.taken: list[int] = []
        self.tries = 0
        self.seconds = 0.0
        self.away = self.no_files = False
        self.refuse: set[int] = set()
        self.now = 0.0

    def clock(self) -> float:
        return self.now

    def __call__(self, event: Event, path: Path | None) -> None:
        self.tries += 1
        if self.away or (path is not None and self.no_files):
            self.now += self.seconds
            raise ConnectionError("refused")
        if event.time in self.refuse:
            raise RejectedError("bad value")
        assert path is None or path.exists()
        self.taken.append(event.time)


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
def box(tmp_path: Path) -> Outbox:
    return Outbox(tmp_path / "box", {"uri": "u", "experiment": "e", "artifact_location": None})


@pytest.fixture
def courier(server: Server, box: Outbox) -> Delivery:
    return Delivery(server, box, "the server", server.clock)


def event(number: int, file: Path | None = None) -> Event:
    return Event("metrics", "run", number, {}, None if file is None else str(file))


def test_a_server_that_answers_gets_everything_at_once(courier, server, box) -> None:
    for number in range(5):
        courier.send(event(number))
    assert server.taken == [0, 1, 2, 3, 4]
    assert not box.folder.exists()


def test_an_outage_keeps_order_and_loses_nothing(courier, server, box, caplog) -> None:
    courier.send(event(0))
    server.away = True
    for number in range(1, 6):
        courier.send(event(number))
    assert server.taken == [0]
    assert [e.time for e in Outbox.load(box.folder).events] == [1, 2, 3, 4, 5]
    server.away = False
    server.now += 1000
    courier.send(event(6))
    assert server.taken == [0, 1, 2, 3, 4, 5, 6]
    assert not box.folder.exists()
    warnings = [r for r in caplog.records if r.levelno == logging.WARNING]
    assert len(warnings) == 1
    assert "the server" in warnings[0].getMessage()
    assert "events.jsonl" in warnings[0].getMessage()


def test_a_second_outage_is_not_warned_about_again(courier, server, caplog) -> None:
    for number in range(6):
        server.away = number % 2 == 1
        server.now += 1000
        courier.send(event(number))
    assert sum(r.levelno == logging.WARNING for r in caplog.records) == 1


def test_the_server_is_left_alone_during_the_pause(courier, server) -> None:
    server.away = True
    for number in range(100):
        courier.send(event(number))
    assert server.tries == 1
    server.now += delivery.FIRST_PAUSE
    courier.send(event(100))
    assert server.tries == 2
    server.now += delivery.FIRST_PAUSE  # too early: the pause has doubled
    courier.send(event(101))
    assert server.tries == 2


def test_waiting_for_a_silent_server_costs_below_five_percent(courier, server) -> None:
    server.away, server.seconds = True, 10.0
    number = 0
    while server.now < 3600:
        server.now += 1.0  # an epoch
        courier.send(event(number))
        number += 1
    waited = server.tries * server.seconds
    assert 0 < waited < 0.05 * server.now + 2 * server.seconds


def test_a_refused_event_is_set_aside_and_the_rest_goes_on(courier, server, box, caplog) -> None:
    server.refuse = {1, 3}
    for number in range(5):
        courier.send(event(number))
    assert server.taken == [0, 2, 4]
    assert len(box.rejected_file.read_text().splitlines()) == 2
    assert caplog.text.count("bad value") == 1


def test_files_that_do_not_get_through_do_not_hold_up_the_rest(
    courier, server, box, tmp_path: Path
) -> None:
    file = tmp_path / "a.png"
    file.write_text("a")
    server.no_files = True
    courier.send(event(0, file))
    file.unlink()  # the outbox has its own copy
    server.now += 1000
    courier.send(event(1))
    file.write_text("b")
    courier.send(event(2, file))
    assert server.taken == [1]
    server.no_files = False
    assert courier.flush()
    assert server.taken == [1, 0, 2]
    assert not box.folder.exists()


def test_an_interruption_in_the_middle_of_a_call_loses_nothing(box) -> None:
    def interrupted(event: Event, path: Path | None) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Delivery(interrupted, box, "s").send(event(7))
    assert [e.time for e in box.events] == [7]


def test_neither_server_nor_disk_ends_the_run(server, tmp_path: Path, caplog) -> None:
    blocked = tmp_path / "box"
    blocked.write_text("a file where the folder should be")
    box = Outbox(blocked, {})
    courier = Delivery(server, box, "s", server.clock)
    server.away = True
    for number in range(3):
        courier.send(event(number))
    assert caplog.text.count("cannot be written") == 1
    server.away = False
    assert courier.flush()
    assert server.taken == [0, 1, 2]


def test_flush_stops_at_the_first_failure(courier, server, box) -> None:
    server.away = True
    for number in range(4):
        courier.send(event(number))
    before = server.tries
    assert not courier.flush()
    assert server.tries == before + 1
    assert [e.time for e in box.events] == [0, 1, 2, 3]
