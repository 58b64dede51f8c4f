import hashlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from mrdib_graph.datasets.files.download import download, sha256, verify
from mrdib_graph.errors import DataError

BODY = b"userID\titemID\n" * 5000
SUM = hashlib.sha256(BODY).hexdigest()


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/missing":
            self.send_error(404)
            return
        html = b"<!DOCTYPE html><html>sign in</html>"
        body = {"/other": b"other bytes", "/page": html}.get(self.path, BODY)
        self.send_response(200)
        self.send_header("Content-Length", str(len(body) + 100 * (self.path == "/cut")))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        """Keep the test output clean."""


@pytest.fixture(scope="module")
def address():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_a_right_file_arrives_alone(address, tmp_path):
    path = tmp_path / "new" / "folder" / "set.inter"
    download(f"{address}/set", path, SUM, len(BODY))
    assert path.read_bytes() == BODY
    assert [p.name for p in path.parent.iterdir()] == ["set.inter"]


@pytest.mark.parametrize(
    "page, message",
    [
        ("other", f"{hashlib.sha256(b'other bytes').hexdigest()}, expected {SUM}; .*/other"),
        ("page", "/page: sent a web page instead of set.inter"),
        ("missing", "/missing: cannot be downloaded: 404"),
        ("cut", "/cut: cannot be downloaded: .*(IncompleteRead|Connection)"),
    ],
)
def test_anything_else_is_refused_and_nothing_is_kept(address, tmp_path, page, message):
    with pytest.raises(DataError, match=message):
        download(f"{address}/{page}", tmp_path / "set.inter", SUM, len(BODY))
    assert list(tmp_path.iterdir()) == []


def test_no_server(tmp_path):
    with pytest.raises(DataError, match=r"http://127.0.0.1:9/x: cannot be downloaded"):
        download("http://127.0.0.1:9/x", tmp_path / "set.inter", SUM, len(BODY))


def test_a_folder_that_cannot_be_made(address, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(DataError, match="set.inter: cannot be written .*needs 70000 bytes"):
        download(f"{address}/set", tmp_path / "file" / "set.inter", SUM, len(BODY))


def test_verify(tmp_path):
    path = tmp_path / "set.inter"
    path.write_bytes(BODY)
    assert sha256(path) == SUM
    verify(path, SUM, "")
    with pytest.raises(DataError, match=f"set.inter: sha256 is {SUM}, expected 00; delete it"):
        verify(path, "00", "delete it")
