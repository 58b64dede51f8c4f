import hashlib
import json
from types import SimpleNamespace

import numpy as np
import pytest

from mrdib_graph.datasets import FetchOptions
from mrdib_graph.datasets.files.resumed_download import download_resumed
from mrdib_graph.errors import DataError

BODY = np.random.default_rng(0).bytes(700_001)
SUM = hashlib.sha256(BODY).hexdigest()
QUICK = FetchOptions(timeout=5, attempts=3, wait=0)
ONCE = FetchOptions(timeout=5, attempts=1, wait=0)


@pytest.fixture
def url(server):
    server.files["a/set.gz"] = BODY
    return f"{server.address}/a/set.gz"


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("checksum", [SUM, None])
def test_a_whole_file_arrives_alone(url, tmp_path, checksum):
    path = tmp_path / "new" / "set.gz"
    download_resumed(url, path, checksum, QUICK)
    assert path.read_bytes() == BODY
    assert names(path.parent) == ["set.gz"]


def test_an_interruption_is_mended_within_one_call(server, url, tmp_path):
    server.plans["a/set.gz"] = [("cut", 300_000), ("status", 503), ("cut", 5_000)]
    download_resumed(url, tmp_path / "set.gz", SUM, QUICK)
    assert (tmp_path / "set.gz").read_bytes() == BODY
    starts = [int(found[6:-1]) if found else 0 for _, found in server.requests]
    assert starts[0] == 0 and starts[1] == starts[2] > 0 and starts[3] >= starts[2]
    assert names(tmp_path) == ["set.gz"]


def test_a_later_call_goes_on_and_the_bytes_are_identical(server, url, tmp_path):
    path = tmp_path / "set.gz"
    server.plans["a/set.gz"] = [("cut", 400_000)]
    with pytest.raises(DataError, match=r"/a/set.gz: the transfer was interrupted: .*are kept in"):
        download_resumed(url, path, SUM, ONCE)
    assert not path.exists() and names(tmp_path) == ["set.gz.part", "set.gz.part.json"]
    kept = (tmp_path / "set.gz.part").read_bytes()
    assert 0 < len(kept) <= 400_000 and kept == BODY[: len(kept)]
    download_resumed(url, path, SUM, ONCE)
    assert server.requests[-1] == ("a/set.gz", f"bytes={len(kept)}-")
    assert path.read_bytes() == BODY and names(tmp_path) == ["set.gz"]


@pytest.mark.parametrize("change", ["ranges", "validators"])
def test_a_server_that_cannot_go_on_sends_all_again(server, url, tmp_path, change):
    setattr(server, change, False)
    server.plans["a/set.gz"] = [("cut", 400_000)]
    download_resumed(url, tmp_path / "set.gz", SUM, QUICK)
    assert (tmp_path / "set.gz").read_bytes() == BODY
    if change == "validators":
        assert server.requests[-1] == ("a/set.gz", None)


def test_parts_of_two_versions_are_never_joined(server, url, tmp_path):
    server.plans["a/set.gz"] = [("cut", 400_000)]
    with pytest.raises(DataError, match="interrupted"):
        download_resumed(url, tmp_path / "set.gz", None, ONCE)
    server.files["a/set.gz"], server.tag = BODY[::-1], "v2"
    download_resumed(url, tmp_path / "set.gz", None, ONCE)
    assert (tmp_path / "set.gz").read_bytes() == BODY[::-1]


def test_a_part_of_another_address_is_not_used(server, url, tmp_path):
    server.plans["a/set.gz"] = [("cut", 400_000)]
    with pytest.raises(DataError, match="interrupted"):
        download_resumed(url, tmp_path / "set.gz", None, ONCE)
    server.files["b/set.gz"] = b"short"
    download_resumed(f"{server.address}/b/set.gz", tmp_path / "set.gz", None, ONCE)
    assert (tmp_path / "set.gz").read_bytes() == b"short"


def test_a_part_longer_than_the_file_starts_again(server, url, tmp_path):
    note = {"url": url, "validator": '"v1"', "total": 900_000}
    (tmp_path / "set.gz.part").write_bytes(BODY + b"too much")
    (tmp_path / "set.gz.part.json").write_text(json.dumps(note))
    download_resumed(url, tmp_path / "set.gz", SUM, QUICK)
    assert (tmp_path / "set.gz").read_bytes() == BODY


def test_a_complete_part_needs_no_request(server, url, tmp_path):
    note = {"url": url, "validator": '"v1"', "total": len(BODY)}
    (tmp_path / "set.gz.part").write_bytes(BODY)
    (tmp_path / "set.gz.part.json").write_text(json.dumps(note))
    download_resumed(url, tmp_path / "set.gz", SUM, QUICK)
    assert server.requests == [] and names(tmp_path) == ["set.gz"]


def test_a_damaged_note_starts_again(url, tmp_path):
    (tmp_path / "set.gz.part").write_bytes(b"rest of something")
    (tmp_path / "set.gz.part.json").write_text('{"url": 3')
    download_resumed(url, tmp_path / "set.gz", SUM, QUICK)
    assert (tmp_path / "set.gz").read_bytes() == BODY


def test_a_wrong_checksum_keeps_nothing(url, tmp_path):
    with pytest.raises(DataError, match=f"sha256 is {SUM}, expected 00; downloaded from http"):
        download_resumed(url, tmp_path / "set.gz", "00", QUICK)
    assert names(tmp_path) == []


@pytest.mark.parametrize("plan", ["page", "text page"])
def test_a_web_page_keeps_nothing(server, url, tmp_path, plan):
    server.plans["a/set.gz"] = [plan]
    with pytest.raises(DataError, match="/a/set.gz: sent a web page instead of set.gz"):
        download_resumed(url, tmp_path / "set.gz", None, QUICK)
    assert names(tmp_path) == []


@pytest.mark.parametrize("status", [401, 403, 410])
def test_a_refusal_is_not_tried_again(server, url, tmp_path, status):
    server.plans["a/set.gz"] = [("status", status)]
    with pytest.raises(DataError, match=f"cannot be downloaded: status {status}"):
        download_resumed(url, tmp_path / "set.gz", None, QUICK)
    assert len(server.requests) == 1 and names(tmp_path) == []


def test_a_busy_server_is_tried_again_but_not_for_ever(server, url, tmp_path):
    server.plans["a/set.gz"] = [("status", 503)] * 3
    with pytest.raises(DataError, match="interrupted: status 503"):
        download_resumed(url, tmp_path / "set.gz", None, QUICK)
    assert len(server.requests) == 3


def test_an_empty_file_is_refused(server, url, tmp_path):
    server.files["a/set.gz"] = b""
    with pytest.raises(DataError, match="sent an empty file"):
        download_resumed(url, tmp_path / "set.gz", None, QUICK)
    assert names(tmp_path) == []


def test_a_length_is_not_needed(server, url, tmp_path):
    server.lengths = False
    download_resumed(url, tmp_path / "set.gz", SUM, QUICK)
    assert (tmp_path / "set.gz").read_bytes() == BODY


def test_no_server_and_no_secret_in_the_message(tmp_path):
    with pytest.raises(DataError, match=r"http://127.0.0.1:9/x: the transfer was inter") as caught:
        download_resumed("http://me:word@127.0.0.1:9/x", tmp_path / "x", None, QUICK)
    assert "word" not in str(caught.value)


def test_not_enough_space_is_said_before_the_transfer(server, url, tmp_path, monkeypatch):

    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=1000))
    with pytest.raises(DataError, match=f"needs {len(BODY)} bytes, and 1000 are free"):
        download_resumed(url, tmp_path / "set.gz", None, QUICK)
    assert names(tmp_path) == []


def test_a_folder_that_cannot_be_made(url, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(DataError, match="cannot be written"):
        download_resumed(url, tmp_path / "file" / "set.gz", None, QUICK)
