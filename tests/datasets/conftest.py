"""A small web server with the failures of real ones, and made-up raw files."""

import re
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from mrdib_graph.testing import write_raw_amazon

PAGE = b"<!DOCTYPE html><html><body>please sign in</body></html>"


class RawServer(ThreadingHTTPServer):
    """Serves ``files`` (path -> bytes) with ranges and ETags.

    ``plans`` (path -> list) says how each next request of a path fails; after that all is well:
    ``("cut", n)`` closes after n bytes of the body, ``("status", code)`` refuses, ``"page"`` sends
    a web page with status 200, ``"text page"`` one that calls itself plain text.
    """

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.files, self.plans, self.requests = {}, {}, []
        self.ranges, self.validators, self.lengths, self.tag = True, True, True, "v1"

    @property
    def address(self):
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        server = self.server
        path = self.path.lstrip("/")
        server.requests.append((path, self.headers.get("Range")))
        plan = server.plans[path].pop(0) if server.plans.get(path) else None
        if path not in server.files or (plan and plan[0] == "status"):
            self.send_error(404 if path not in server.files else plan[1])
            return
        body, start, status = server.files[path], 0, 200
        if plan in ("page", "text page"):
            body = PAGE
        wanted = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        tag = f'"{server.tag}"'
        same = self.headers.get("If-Range") in (None, tag)
        if wanted and server.ranges and same:
            start, status = int(wanted[1]), 206
            if start >= len(body):
                self.send_error(416)
                return
        self.send_response(status)
        if status == 206:
            self.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
        if server.validators:
            self.send_header("ETag", tag)
        if server.lengths:
            self.send_header("Content-Length", str(len(body) - start))
        self.send_header("Content-Type", "text/html" if plan == "page" else "text/plain")
        self.end_headers()
        rest = body[start:]
        if plan and plan[0] == "cut":
            self.wfile.write(rest[: plan[1]])
            self.wfile.flush()
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        self.wfile.write(rest)

    def log_message(self, *_):
        """Keep the test output clean."""


@pytest.fixture
def server():
    """A :class:`RawServer` that runs."""
    made = RawServer()
    threading.Thread(target=made.serve_forever, args=(0.02,), daemon=True).start()
    yield made
    made.shutdown()
    made.server_close()


@pytest.fixture(scope="session")
def raw_baby(tmp_path_factory):
    """Made-up raw files of the category Baby."""
    return write_raw_amazon(tmp_path_factory.mktemp("raw"))


@pytest.fixture
def amazon_server(server, raw_baby):
    """The server with the made-up files at the paths of the 2014 release."""
    for path in (raw_baby.ratings, raw_baby.reviews, raw_baby.metadata):
        server.files[f"categoryFiles/{path.name}"] = path.read_bytes()
    images = raw_baby.images
    server.files[f"image_features/categoryFiles/{images.name}"] = images.read_bytes()
    return server
