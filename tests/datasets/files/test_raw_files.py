import hashlib

import pytest

from mrdib_graph.datasets import FetchOptions
from mrdib_graph.datasets.files.raw_files import RawFile, obtain
from mrdib_graph.errors import DataError

BODY = b"A1,B1,5.0,1370131200\n" * 100
SUM = hashlib.sha256(BODY).hexdigest()
QUICK = {"timeout": 5, "attempts": 1, "wait": 0}
RAW = RawFile("files/ratings.csv", SUM)


def fetch(folder, *addresses, raw=RAW, **options):
    return obtain(raw, folder, addresses, FetchOptions(**QUICK, **options))


def test_a_download_is_kept_with_its_source(server, tmp_path):
    server.files[RAW.path] = BODY
    for _ in range(2):
        found = fetch(tmp_path, server.address)
        assert found.path.read_bytes() == BODY and found.downloaded
        assert found.record() == {
            "file": "ratings.csv",
            "source": f"{server.address}/files/ratings.csv",
            "size": len(BODY),
            "sha256": SUM,
            "published_sha256": SUM,
            "is_published": True,
        }
    assert len(server.requests) == 1


def test_addresses_are_tried_in_order_and_mirrors_replace_them(server, tmp_path):
    server.files[f"second/{RAW.path}"] = BODY
    found = fetch(tmp_path / "a", f"{server.address}/first", f"{server.address}/second/")
    assert found.source == f"{server.address}/second/files/ratings.csv"
    server.requests.clear()
    fetch(tmp_path / "b", "http://127.0.0.1:9", mirrors=[f"{server.address}/second"])
    assert [path for path, _ in server.requests] == [f"second/{RAW.path}"]
    with pytest.raises(DataError, match=r"first/files.*404.*; .*third/files.*404"):
        fetch(tmp_path / "c", f"{server.address}/first", f"{server.address}/third")


@pytest.mark.parametrize("place", ["ratings.csv", "files/ratings.csv"])
def test_local_copies_stay_where_they_are(tmp_path, place):
    path = tmp_path / "mine" / place
    path.parent.mkdir(parents=True)
    path.write_bytes(BODY)
    found = fetch(tmp_path / "raw", "http://127.0.0.1:9", local=tmp_path / "mine")
    assert found.path == path and not found.downloaded
    assert not (tmp_path / "raw").exists()


def test_an_absent_local_copy_names_the_address(tmp_path):
    with pytest.raises(DataError, match=r"nothing is downloaded: get it from http://a/files/rat"):
        fetch(tmp_path, "http://a", local=tmp_path)
    with pytest.raises(DataError, match="there is no such folder"):
        fetch(tmp_path, "http://a", local=tmp_path / "absent")


def test_another_version_is_refused_unless_accepted(server, tmp_path, caplog):
    other = RAW._replace(checksum="00")
    server.files[RAW.path] = BODY
    with pytest.raises(DataError, match=f"sha256 is {SUM}, expected 00"):
        fetch(tmp_path, server.address, raw=other)
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "ratings.csv").write_bytes(BODY)
    with pytest.raises(DataError, match=f"sha256 is {SUM}, published is 00.*--any-checksum"):
        fetch(tmp_path, "http://a", raw=other, local=tmp_path)
    found = fetch(tmp_path, "http://a", raw=other, local=tmp_path, any_checksum=True)
    assert found.record()["is_published"] is False
    assert "not the published version" in caplog.text


def test_a_download_that_changed_on_disk_is_refused(server, tmp_path):
    raw = RAW._replace(checksum=None)
    server.files[RAW.path] = BODY
    fetch(tmp_path, server.address, raw=raw)
    (tmp_path / "ratings.csv").write_bytes(BODY[:-1])
    with pytest.raises(DataError, match=f"and was {SUM} when it was downloaded"):
        fetch(tmp_path, server.address, raw=raw)


def test_a_file_put_there_by_hand_is_taken(tmp_path):
    (tmp_path / "ratings.csv").write_bytes(BODY)
    found = fetch(tmp_path, "http://127.0.0.1:9")
    assert found.source == str(tmp_path / "ratings.csv") and found.checksum == SUM
