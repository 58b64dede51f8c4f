"""From raw files on a web server to a checked graph, and what goes wrong on the way."""

import gzip
import json
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter

import numpy as np
import pytest
import torch

from mrdib_graph import graph
from mrdib_graph.datasets import (
    AmazonBaby,
    AmazonBuild,
    AmazonClothing,
    AmazonElectronics,
    AmazonReviews,
    AmazonSports,
    FetchOptions,
    MMRecFolder,
)
from mrdib_graph.datasets.amazon.amazon_build import check_published
from mrdib_graph.errors import ConfigError, DataError
from mrdib_graph.testing import check_dataset

QUICK = {"timeout": 5, "attempts": 2, "wait": 0, "any_checksum": True}
METADATA = "categoryFiles/meta_Baby.json.gz"
IMAGES = "image_features/categoryFiles/image_features_Baby.b"


@pytest.fixture
def options(amazon_server):
    return FetchOptions(mirrors=[amazon_server.address], **QUICK)


@pytest.fixture(scope="session")
def built(raw_baby, tmp_path_factory):
    """A root with the made-up set, built once from local copies; tests only read it."""
    root = tmp_path_factory.mktemp("built")
    AmazonBaby(root).fetch(FetchOptions(local=raw_baby.ratings.parent, **QUICK))
    return root


@pytest.fixture
def root(built, tmp_path):
    shutil.copytree(built, tmp_path / "data")
    return tmp_path / "data"


def local(raw_baby):
    return FetchOptions(local=raw_baby.ratings.parent, **QUICK)


def visible(folder):
    return sorted(p.name for p in folder.glob("*") if not p.name.endswith(".lock"))


def contents(folder):
    """Bytes of every file; of the provenance without the sources, which differ by place."""
    found = {path.name: path.read_bytes() for path in folder.iterdir()}
    record = json.loads(found.pop("provenance.json"))
    return found | {"key": record["key"], "steps": record["steps"]}


def slow_core(path, k):
    """The core from the text of the file, by removing rows one user or item at a time."""
    rows = [tuple(line.split(",")[:2]) for line in path.read_text().split()]
    rows = list(dict.fromkeys(rows))
    while True:
        users, items = Counter(u for u, _ in rows), Counter(i for _, i in rows)
        left = [r for r in rows if users[r[0]] >= k and items[r[1]] >= k]
        if len(left) == len(rows):
            return rows
        rows = left


def test_from_the_server_to_a_checked_graph(amazon_server, options, raw_baby, tmp_path):
    dataset = AmazonBaby(tmp_path)
    folder = dataset.fetch(options)
    assert folder == tmp_path / "amazon-baby"
    assert sorted(path for path, _ in amazon_server.requests) == [
        "categoryFiles/meta_Baby.json.gz",
        "categoryFiles/ratings_Baby.csv",
        "image_features/categoryFiles/image_features_Baby.b",
    ]
    check_dataset(dataset)
    data, expected = dataset[0], slow_core(raw_baby.ratings, 5)
    user, item = graph.interactions(data).tolist()
    pairs = [(dataset.user_ids[u], dataset.item_ids[i]) for u, i in zip(user, item, strict=True)]
    assert pairs == expected and len(pairs) > 2000
    assert dataset.user_ids == list(dict.fromkeys(u for u, _ in expected))
    assert dataset.item_ids == list(dict.fromkeys(i for _, i in expected))
    assert graph.modalities(data) == ["image"]
    report = json.loads((folder / "provenance.json").read_text())
    assert report["sources"]["metadata"]["source"] == f"{amazon_server.address}/{METADATA}"
    assert report["sources"]["metadata"]["size"] == raw_baby.metadata.stat().st_size
    assert report["steps"]["read"]["rows read"] == raw_baby.rows
    assert report["steps"]["core"]["rows"] == len(expected)
    assert report["steps"]["split"]["train"] == graph.interactions(data, "train").size(1)


def test_features_and_texts_follow_the_items(built, raw_baby):
    dataset = AmazonBaby(built, scale="never")
    record = np.dtype([("key", "S10"), ("x", "<f4", 4096)])
    rows = np.fromfile(raw_baby.images, record)
    images = {key.decode(): x for key, x in zip(rows["key"], rows["x"], strict=True)}
    x, mask = graph.item_features(dataset[0], "image")
    mean = np.mean([images[i] for i in dataset.item_ids if i in images], 0, dtype=np.float64)
    for row, item in enumerate(dataset.item_ids):
        assert np.allclose(x[row].numpy(), images.get(item, mean), atol=1e-6)
    assert bool(mask.all())
    missing = {i for i in dataset.item_ids if i not in images}
    assert missing and missing == {i for i in dataset.item_ids if int(i[1:]) % 29 == 28}
    for row, item in enumerate(dataset.item_ids):
        known = int(item[1:]) % 23 and int(item[1:]) % 61 != 60
        assert bool(dataset.item_names[row]) == bool(known)
        assert dataset.item_texts[row].startswith(dataset.item_names[row] if known else "  ")
    masked = AmazonBaby(built, filled_as_missing=True)
    check_dataset(masked)
    x, mask = graph.item_features(masked[0], "image")
    lacking = {dataset.item_ids[row] for row in (~mask).nonzero().squeeze(1).tolist()}
    assert lacking == missing


def test_the_folder_is_the_common_layout(built):
    folder = MMRecFolder(built / "amazon-baby", split="given")
    own = AmazonBaby(built, split="given")
    assert folder.digest == own.digest == AmazonBaby(built).digest  # the build's rule and seed
    assert AmazonBaby(built, split_seed=1).digest != own.digest
    assert AmazonBaby(built, split="leave_last_out")[0] is not None


def test_the_same_raw_files_give_the_same_bytes(options, built, tmp_path):
    AmazonBaby(tmp_path).fetch(options)
    assert contents(tmp_path / "amazon-baby") == contents(built / "amazon-baby")


def test_interruptions_and_a_later_call_give_the_same_bytes(
    amazon_server, options, built, tmp_path
):
    amazon_server.plans[IMAGES] = [("cut", 500_000), ("status", 503), ("status", 503)]
    with pytest.raises(DataError, match=f"{IMAGES}: the transfer was interrupted: .* are kept"):
        AmazonBaby(tmp_path).fetch(options)
    assert visible(tmp_path) == ["raw"]
    AmazonBaby(tmp_path).fetch(options)
    assert amazon_server.requests[-1][1].startswith("bytes=")
    assert contents(tmp_path / "amazon-baby") == contents(built / "amazon-baby")


def test_a_second_call_does_nothing_and_needs_no_network(amazon_server, options, tmp_path):
    folder = AmazonBaby(tmp_path).fetch(options)
    before = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    amazon_server.requests.clear()
    AmazonBaby(tmp_path).fetch(options)
    assert amazon_server.requests == []
    assert {path: path.stat().st_mtime_ns for path in folder.iterdir()} == before


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda body: body[: len(body) // 2], "damaged or cut short"),
        (lambda body: body[:-6] + b"\0\0" + body[-4:], "CRC check failed"),
        (lambda _: gzip.compress(b"<!DOCTYPE html>\n"), "line 1 is '<!DOCTYPE html>'"),
        (lambda _: b"any other bytes", "Not a gzipped file"),
    ],
)
def test_a_damaged_file_is_refused_and_removed(amazon_server, options, tmp_path, change, message):
    whole = amazon_server.files[METADATA]
    amazon_server.files[METADATA] = change(whole)
    with pytest.raises(DataError, match=message) as caught:
        AmazonBaby(tmp_path).fetch(options)
    assert visible(tmp_path) == ["raw"]
    path = tmp_path / "raw/amazon-2014/meta_Baby.json.gz"
    if "line 1" in message:  # whole, but not what it should be: kept to look at
        assert path.exists()
    else:
        assert not path.exists() and f"{amazon_server.address}/{METADATA}" in str(caught.value)
        amazon_server.files[METADATA] = whole
        assert AmazonBaby(tmp_path).fetch(options).is_dir()


def test_a_web_page_a_wrong_checksum_and_a_missing_file(amazon_server, options, tmp_path):
    amazon_server.plans[METADATA] = ["page"]
    with pytest.raises(DataError, match="sent a web page instead of meta_Baby.json.gz"):
        AmazonBaby(tmp_path).fetch(options)
    strict = FetchOptions(mirrors=options.mirrors, timeout=5, attempts=1)
    (tmp_path / "raw/amazon-2014/ratings_Baby.csv").unlink()
    with pytest.raises(DataError, match="ratings_Baby.csv.part: sha256 is .*expected a219f779"):
        AmazonBaby(tmp_path).fetch(strict)
    del amazon_server.files[IMAGES]
    with pytest.raises(DataError, match="image_features_Baby.b: cannot be downloaded: status 404"):
        AmazonBaby(tmp_path).fetch(options)
    assert visible(tmp_path) == ["raw"]
    assert visible(tmp_path / "raw/amazon-2014") == [
        f"{name}{suffix}"
        for name in ("meta_Baby.json.gz", "ratings_Baby.csv")
        for suffix in ("", ".source.json")
    ]


def test_a_damaged_local_copy_is_left_alone(raw_baby, tmp_path):
    for path in (raw_baby.ratings, raw_baby.metadata, raw_baby.images):
        shutil.copy(path, tmp_path)
    with (tmp_path / raw_baby.images.name).open("r+b") as file:
        file.truncate(16_394 * 7 + 100)
    with pytest.raises(DataError, match=f"are no multiple of 16394.*byte {16_394 * 7} begins"):
        AmazonBaby(tmp_path / "data").fetch(FetchOptions(local=tmp_path, **QUICK))
    assert (tmp_path / raw_baby.images.name).exists()
    assert visible(tmp_path / "data") == []


def test_published_counts():
    good = {"core": 5, "users": 19_445, "items": 7_050, "rows": 160_792}
    check_published("Baby", good, any_checksum=False)
    check_published("Baby", good | {"core": 4, "rows": 1}, any_checksum=False)
    check_published("Toys_and_Games", good | {"rows": 1}, any_checksum=False)
    with pytest.raises(DataError, match=r"\(19445, 7050, 3\), published are \(19445, 7050, 160792"):
        check_published("Baby", good | {"rows": 3}, any_checksum=False)


def test_wrong_counts_stop_a_build_of_unknown_checksum(raw_baby, tmp_path):
    """The reviews file has no published checksum, so its counts are what is checked."""
    dataset = AmazonBaby(tmp_path, build={"interactions": "reviews", "images": False})
    with pytest.raises(DataError, match="Baby: users, items, rows are"):
        dataset.fetch(FetchOptions(local=raw_baby.reviews.parent))
    assert visible(tmp_path) == []


def test_reviews_give_the_graph_of_the_ratings(raw_baby, built, tmp_path):
    dataset = AmazonBaby(tmp_path, build=AmazonBuild(interactions="reviews"))
    dataset.fetch(local(raw_baby))
    assert dataset.digest == AmazonBaby(built).digest


def test_a_changed_input_builds_anew(raw_baby, root, caplog):
    before = AmazonBaby(root).digest
    AmazonBaby(root, build={"core": 8}).fetch(local(raw_baby))
    assert "built from other inputs or changed; it is built anew" in caplog.text
    other = AmazonBaby(root)
    rows, users = graph.interactions(other[0]), torch.bincount(graph.interactions(other[0])[0])
    assert other.digest != before and int(users.min()) >= 8
    assert rows.size(1) == len(slow_core(raw_baby.ratings, 8))
    with pytest.raises(DataError, match="is the 8-core, asked for is the 5-core"):
        AmazonBaby(root, build={"core": 5})[0]


def test_files_of_others_are_never_lost(raw_baby, root):
    mine = root / "amazon-baby/text_feat.npy"
    np.save(mine, np.ones((len(AmazonBaby(root).item_texts), 3)))
    AmazonBaby(root).fetch(local(raw_baby))  # up to date: allowed beside the built files
    with pytest.raises(DataError, match="not made by this command: text_feat.npy; move them"):
        AmazonBaby(root, split_seed=1).fetch(local(raw_baby))
    assert mine.exists()
    (root / "amazon-baby/provenance.json").unlink()
    with pytest.raises(DataError, match="not made by this command: amazon-baby.inter"):
        AmazonBaby(root).fetch(local(raw_baby))


def test_a_changed_file_is_refused_and_repaired_by_fetch(raw_baby, root, built):
    (root / "amazon-baby/amazon-baby.inter").write_text("userID\titemID\tx_label\n0\t0\t0\n")
    with pytest.raises(DataError, match="amazon-baby.inter: the file is not the one that was bu"):
        AmazonBaby(root)[0]
    AmazonBaby(root).fetch(local(raw_baby))
    assert AmazonBaby(root).digest == AmazonBaby(built).digest


def test_features_of_ones_own(raw_baby, built, tmp_path):
    items = len(AmazonBaby(built).item_texts)
    x = np.random.default_rng(0).random((items, 7), dtype=np.float32)
    np.save(tmp_path / "own.npy", x)
    calls = []

    def encode(texts):
        calls.append(len(texts))
        return torch.tensor([[len(text), text.count(" "), 1.5] for text in texts])

    own = {"image": tmp_path / "own.npy"}
    build = AmazonBuild(features=own, encode_text=encode)
    dataset = AmazonBaby(tmp_path, scale="never", build=build)
    dataset.fetch(local(raw_baby))
    data = dataset[0]
    assert np.array_equal(data["image"].x.numpy(), x)
    texts = AmazonBaby(built).item_texts
    assert data["text"].x.tolist() == [[len(t), t.count(" "), 1.5] for t in texts]
    dataset.fetch(local(raw_baby))
    assert calls == [items] * 2  # nothing says whether the function changed
    encode.fingerprint = "lengths 1"
    for _ in range(2):
        dataset.fetch(local(raw_baby))
    assert calls == [items] * 3
    encode.fingerprint = "lengths 2"
    dataset.fetch(local(raw_baby))
    assert calls == [items] * 4


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (np.ones((3, 4)), "3 rows, and there are 120 items"),
        (np.ones(120), "expected .items, width."),
        (np.full((120, 2), np.nan), "240 values are NaN"),
    ],
)
def test_features_that_do_not_fit(raw_baby, tmp_path, x, message):
    build = AmazonBuild(images=False, encode_text=lambda _: x)
    with pytest.raises(DataError, match=message):
        AmazonBaby(tmp_path, build=build).fetch(local(raw_baby))
    assert visible(tmp_path) == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"core": 0}, "core'?: got 0"),
        ({"core": True}, "core'?: got True"),
        ({"cor": 5}, "did you mean 'core'"),
        ({"interactions": "likes"}, "interactions'?: got 'likes'"),
        ({"images": "no"}, "images'?: got 'no'"),
        ({"bad_lines": 1}, "bad_lines'?: got 1, expected a probability below 1"),
        ({"bad_lines": "x"}, "bad_lines'?: got 'x'"),
        ({"features": ["a.npy"]}, "features'?: got"),
        ({"features": {"user": "a.npy"}}, "'user', which cannot name a modality"),
        ({"features": {"../a": "a.npy"}}, "cannot name a modality"),
        ({"features": {"text": "a"}, "encode_text": len}, "features already has 'text'"),
    ],
)
def test_build_options_are_checked(options, message):
    with pytest.raises(ConfigError, match=message):
        AmazonBaby(build=options)


def test_what_was_not_fetched_says_how(raw_baby, tmp_path):
    with pytest.raises(DataError, match="datasets fetch amazon-baby --root"):
        AmazonBaby(tmp_path)[0]
    with pytest.raises(DataError, match="fetch amazon-reviews --set category=Toys --set edition="):
        AmazonReviews(tmp_path, "Toys")[0]
    with pytest.raises(DataError, match="no such feature file for 'text'"):
        AmazonBaby(tmp_path, build={"features": {"text": tmp_path / "x"}}).fetch(local(raw_baby))
    with pytest.raises(ConfigError, match="raw files have no split"):
        AmazonBaby(tmp_path, split="given").fetch(local(raw_baby))


def test_the_other_names():
    found = {cls: cls("x").name for cls in (AmazonSports, AmazonClothing, AmazonElectronics)}
    assert list(found.values()) == ["amazon-sports", "amazon-clothing", "amazon-electronics"]


def test_download_at_the_first_access(options, monkeypatch, tmp_path):
    fetch = AmazonBaby.fetch
    monkeypatch.setattr(AmazonBaby, "fetch", lambda self: fetch(self, options))
    assert graph.num_items(AmazonBaby(tmp_path, download=True)[0]) == 120


def test_the_edition_of_2023(server, raw_baby, tmp_path):
    rows = [line.split(",") for line in raw_baby.ratings.read_text().split()]
    lines = ["user_id,parent_asin,rating,timestamp"] + [
        f"{u},{i},{r},{t}000" for u, i, r, t in rows
    ]
    server.files["benchmark/5core/rating_only/Video_Games.csv.gz"] = gzip.compress(
        "\n".join(lines).encode()
    )
    items = sorted({row[1] for row in rows})
    records = [
        {"parent_asin": i, "title": f"Game {i}", "store": None, "categories": ["Games"],
         "features": [], "description": ["Fun", "for all"], "images": [{"hi_res": "http://x"}]}
        for i in items
    ]  # fmt: skip
    server.files["raw/meta_categories/meta_Video_Games.jsonl.gz"] = gzip.compress(
        "\n".join(map(json.dumps, records)).encode()
    )
    dataset = AmazonReviews(tmp_path, "Video_Games", 2023, "leave_last_out")
    dataset.fetch(FetchOptions(mirrors=[server.address], **QUICK))
    check_dataset(dataset)
    assert dataset.name == "amazon-2023-video_games"
    item = dataset.item_ids[0]
    assert dataset.item_texts[0] == f"Game {item}   Games   Fun for all"
    assert int(dataset[0][graph.INTERACTS].time.min()) > 1_000_000_000_000


KILLED = """
import sys
from pathlib import Path
from mrdib_graph.datasets import AmazonBaby, AmazonBuild, FetchOptions

def encode(texts):
    print("encoding", flush=True)
    sys.stdin.read()  # until the process is killed

build = AmazonBuild(encode_text=encode)
AmazonBaby(sys.argv[2], build=build).fetch(FetchOptions(local=Path(sys.argv[1]), any_checksum=True))
"""


@pytest.mark.slow
@pytest.mark.parametrize("sign", [signal.SIGKILL, signal.SIGINT])
def test_a_killed_build_leaves_nothing_half_written(raw_baby, built, tmp_path, sign):
    command = [sys.executable, "-c", KILLED, str(raw_baby.ratings.parent), str(tmp_path)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdout.readline() == "encoding\n"
        with pytest.raises(DataError, match="another process is building it"):
            AmazonBaby(tmp_path).fetch(local(raw_baby))
        process.send_signal(sign)
        for _ in range(200):
            if process.poll() is not None:
                break
            time.sleep(0.05)
    assert process.returncode != 0
    assert not (tmp_path / "amazon-baby").exists()
    with pytest.raises(DataError, match="not found; build the folder"):
        AmazonBaby(tmp_path)[0]
    AmazonBaby(tmp_path).fetch(local(raw_baby))
    assert visible(tmp_path) == ["amazon-baby"]
    assert contents(tmp_path / "amazon-baby") == contents(built / "amazon-baby")
