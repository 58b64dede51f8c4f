import hashlib
import io
import threading
import time
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
import torch

from mrdib_graph import graph
from mrdib_graph.datasets import LastFM2K, lastfm2k
from mrdib_graph.errors import DataError
from mrdib_graph.testing import check_dataset
from mrdib_graph.transforms import SplitInteractions, split_leaks

ROOT = Path(__file__).resolve().parents[2] / "../shared/data"
needs_data = [
    pytest.mark.shared,
    pytest.mark.skipif(not (ROOT / "lastfm2k").is_dir(), reason="no ../shared/data/lastfm2k"),
]


class Handler(SimpleHTTPRequestHandler):
    def log_message(self, *_):
        """Keep the test output clean."""


def digest(content):
    return hashlib.sha256(content).hexdigest()


def npy(array):
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


@pytest.fixture
def public(tmp_path, monkeypatch):
    """A local server with made-up files under the public names, and their checksums in place."""
    rng = np.random.default_rng(0)
    wide = rng.normal(size=(6, 3))
    lines = "".join(f"{u}\t{i}\t1\t{(i == 4) + 2 * (i == 5)}\n" for u in range(4) for i in range(6))
    files = {
        "lastfm2k.inter": ("userID\titemID\trating\tx_label\n" + lines).encode(),
        "text_feat.npy": npy(rng.normal(size=(6, 4)).astype(np.float32)),
        "audio_vggish_feat.npy": npy(wide),
        "audio_whisper_feat.npy": npy(rng.normal(size=(6, 2)).astype(np.float32)),
    }
    folder = tmp_path / "public"
    folder.mkdir()
    sources = {}
    for name, content in files.items():
        real = lastfm2k.SOURCES[name]
        (folder / real.origin).write_bytes(content)
        made = npy(wide.astype(np.float32)) if real.to_float32 else content
        sources[name] = real._replace(
            checksum=digest(made), size=len(made), origin_checksum=digest(content)
        )
    monkeypatch.setattr(lastfm2k, "SOURCES", sources)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=folder))
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield folder, f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()


def test_downloads_what_is_absent_and_reads_it(public, tmp_path):
    folder, url = public
    dataset = LastFM2K(tmp_path, split="given", scale="never", download=True, base_url=url)
    data = dataset[0]
    assert graph.modalities(data) == ["text", "audio_vggish", "audio_whisper"]
    wide = np.load(folder / "vggish.npy")
    assert np.array_equal(data["audio_vggish"].x.numpy(), wide.astype(np.float32))
    assert dataset.item_names is None and dataset.item_ids is None
    assert {p.name for p in (tmp_path / "lastfm2k").iterdir()} == set(lastfm2k.SOURCES)
    (folder / "lfm2k.inter").unlink()  # a second load must not ask again
    again = LastFM2K(tmp_path, split="given", scale="never", download=True, base_url=url)
    assert again.digest == dataset.digest


def test_fetches_only_the_modalities_asked_for(public, tmp_path):
    _, url = public
    LastFM2K(tmp_path, "given", modalities=["text"], download=True, base_url=url)[0]
    names = {p.name for p in (tmp_path / "lastfm2k").iterdir()}
    assert names == {"lastfm2k.inter", "text_feat.npy"}


@pytest.mark.parametrize("name", ["lfm2k.inter", "whisper.npy", "vggish.npy"])
@pytest.mark.parametrize("content", [b"<html>blocked</html>", b"other bytes"])
def test_wrong_downloads_leave_nothing(public, tmp_path, name, content):
    folder, url = public
    (folder / name).write_bytes(content)
    with pytest.raises(DataError, match=f"{name}: sent a web page|{digest(content)}.*{name}"):
        LastFM2K(tmp_path, download=True, base_url=url)[0]
    kept = {p.name for p in (tmp_path / "lastfm2k").iterdir()}
    assert kept <= set(lastfm2k.SOURCES)
    assert not any(name in lastfm2k.SOURCES[k].origin for k in kept)


def test_a_conversion_with_another_result_leaves_nothing(public, tmp_path, monkeypatch):
    _, url = public
    source = lastfm2k.SOURCES["audio_vggish_feat.npy"]._replace(checksum="00")
    monkeypatch.setitem(lastfm2k.SOURCES, "audio_vggish_feat.npy", source)
    with pytest.raises(DataError, match="expected 00; converted from .*vggish.npy"):
        LastFM2K(tmp_path, download=True, base_url=url)[0]
    names = [p.name for p in (tmp_path / "lastfm2k").iterdir()]
    assert not [name for name in names if "vggish" in name]


def test_without_download_it_says_how_to_get_the_data(tmp_path):
    with pytest.raises(DataError, match=r"lastfm2k: lastfm2k.inter, .*download=True.*giuspillo"):
        LastFM2K(tmp_path)[0]


def test_a_changed_file_is_refused(public, tmp_path):
    _, url = public
    LastFM2K(tmp_path, download=True, base_url=url)[0]
    path = tmp_path / "lastfm2k" / "text_feat.npy"
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(DataError, match=f"{path}: sha256 is .*, expected .*MMRecFolder"):
        LastFM2K(tmp_path)[0]
    path.unlink()
    LastFM2K(tmp_path, download=True, base_url=url)[0]
    (tmp_path / "lastfm2k/items.tsv").write_text("itemID\tartistID\tname\n")
    with pytest.raises(DataError, match="items.tsv: sha256"):
        LastFM2K(tmp_path)[0]


class TestRealData:
    pytestmark = needs_data

    def test_published_counts(self):
        start = time.perf_counter()
        dataset = LastFM2K(ROOT, split="given")
        data = dataset[0]
        assert time.perf_counter() - start < 3
        assert graph.describe(data) == {
            "users": 1858,
            "items": 1425,
            "interactions": 56345,
            "density": pytest.approx(0.0213, abs=1e-4),
            "modalities": {"text": 384, "audio_vggish": 128, "audio_whisper": 512},
            "train": 44327,
            "val": 4799,
            "test": 7219,
        }
        assert dataset.item_names[0] == "Groove Armada" and dataset.item_ids[0] == "80"
        assert "mean cosine" in data.feature_scaling

    def test_the_ratio_rule_gives_the_published_counts_user_by_user(self):
        given = LastFM2K(ROOT, split="given", modalities=[])[0]
        ratio = SplitInteractions("ratio", seed=5)(given)
        for split in graph.SPLITS:
            one, other = (torch.bincount(graph.interactions(d, split)[0], minlength=1858)
                          for d in (given, ratio))  # fmt: skip
            assert torch.equal(one, other)

    def test_the_published_split_leaks_and_a_random_one_does_not(self):
        given = LastFM2K(ROOT, split="given", modalities=[])[0]
        assert split_leaks(given)
        for rule in ("random", "ratio", "lattice"):
            assert not split_leaks(SplitInteractions(rule)(given))

    def test_common_checks(self):
        check_dataset(LastFM2K(ROOT, split="random"))

    @pytest.mark.parametrize("split, low, high", [("given", 0.122864, 0.122866),
                                                  ("random", 0.135, 0.165)])  # fmt: skip
    def test_popularity(self, split, low, high):
        data = LastFM2K(ROOT, split=split, modalities=[])[0]
        train, test = (graph.interactions(data, s).numpy() for s in ("train", "test"))
        order = np.lexsort((np.arange(1425), -np.bincount(train[1], minlength=1425)))
        recalls = []
        for user in np.unique(test[0]):
            seen, wanted = set(train[1, train[0] == user]), set(test[1, test[0] == user])
            top = [item for item in order if item not in seen][:20]
            recalls.append(len(wanted.intersection(top)) / len(wanted))
        assert low < np.mean(recalls) < high
