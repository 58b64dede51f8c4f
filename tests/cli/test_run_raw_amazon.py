"""From raw files on a web server to recommendations, by the commands that the docs name."""

import functools
import http.server
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from mrdib_graph.serving import Bundle
from mrdib_graph.testing import write_raw_amazon
from mrdib_graph.testing.raw_amazon import RawAmazon

pytestmark = pytest.mark.slow

COMMAND = [sys.executable, "-m", "mrdib_graph"]


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Keep the test output clean."""


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> RawAmazon:
    """Made-up raw files at the paths of the 2014 release."""
    made = write_raw_amazon(tmp_path_factory.mktemp("raw"), users=300, items=120, rows=3_000)
    root = made.ratings.parent
    for path in (made.ratings, made.reviews, made.metadata, made.images):
        place = root / ("image_features" if path == made.images else "") / "categoryFiles"
        place.mkdir(parents=True, exist_ok=True)
        path.rename(place / path.name)
    return made


@pytest.fixture(scope="module")
def mirror(raw: RawAmazon) -> Iterator[str]:
    handler = functools.partial(Quiet, directory=str(raw.ratings.parent))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()


def start(folder: Path, *command: object) -> subprocess.CompletedProcess[str]:
    """A command in a process of its own, as a person starts it in that folder."""
    environment = {
        **os.environ,
        **{"OMP_NUM_THREADS": "1", "MRDIB_GRAPH_CACHE": str(folder / "cache")},
    }
    done = subprocess.run(
        [str(part) for part in command],
        capture_output=True,
        text=True,
        env=environment,
        cwd=folder,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    return done


def test_two_commands_from_raw_files_to_recommendations(
    raw: RawAmazon, mirror: str, tmp_path: Path
) -> None:
    assert raw.rows > 2_500
    fetched = start(
        *(tmp_path, *COMMAND, "datasets", "fetch", "amazon-baby", "--root", "data"),
        *("--mirror", mirror, "--any-checksum"),
        *("--set", "build.encode_text.encoder=tfidf-svd", "--set", "build.encode_text.dim=32"),
    )
    for step in ("read:", "core:", "split:", "text:", "text features:", "image features:"):
        assert f"\n{step} " in fetched.stderr
    assert "image (4,096 wide), text (32 wide)" in fetched.stdout.replace("4096", "4,096")
    start(
        *(tmp_path, *COMMAND, "run", "--backbone", "lattice", "--dataset", "data/amazon-baby"),
        *("--epochs", 3, "--seeds", 0, "--out", "run", "--quiet"),
    )
    results = json.loads((tmp_path / "run/results.json").read_text(encoding="utf-8"))
    arms = [(arm["backbone"], arm["arm"]) for arm in results["arms"]]
    assert arms[-2:] == [("lattice", "bare"), ("lattice", "mrdib")]
    assert results["dataset"]["features"]["text"]["encoder"] == "tfidf-svd"
    inter = (tmp_path / "data/amazon-baby/u_id_mapping.csv").read_text(encoding="utf-8")
    user = inter.splitlines()[1].split("\t")[0]
    answer = start(
        *(tmp_path, *COMMAND, "recommend", "--bundle", "run/bundle", "--user", user),
        *("--k", 5, "--format", "json"),
    )
    found = json.loads(answer.stdout)
    assert [r["rank"] for r in found] == [1, 2, 3, 4, 5]
    assert sorted((r["score"] for r in found), reverse=True) == [r["score"] for r in found]
    bundle = Bundle.load(tmp_path / "run/bundle")
    assert bundle.info.backbone == "lattice" and bundle.info.dataset == "amazon-baby"
    ratings = raw.ratings.parent / "categoryFiles" / raw.ratings.name
    rows = [line.split(",") for line in ratings.read_text(encoding="ascii").splitlines()]
    known = {item for _, item, _, _ in rows}
    assert {r["item"] for r in found} <= known  # ids of the shop, not row numbers
    whole = bundle.recommend(user, k=len(bundle.items), exclude_seen=True)
    seen = set(bundle.items.ids) - {r.item for r in whole}
    assert seen and seen <= {item for who, item, _, _ in rows if who == user}
