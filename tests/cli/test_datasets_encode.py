import json
from pathlib import Path

import numpy as np
import pytest

from mrdib_graph.cli import main
from mrdib_graph.cli.datasets_encode import command
from mrdib_graph.datasets import MMRecFolder
from mrdib_graph.features import encode_text

TEXTS = [f"kind {i % 5} maker {i % 7}" if i != 3 else "" for i in range(20)]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MRDIB_GRAPH_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A folder without a split."""
    folder = tmp_path / "shop"
    folder.mkdir()
    rows = [f"{u}\t{(u + i) % 20}" for u in range(20) for i in range(6)]
    (folder / "shop.inter").write_text("userID\titemID\n" + "\n".join(rows) + "\n")
    lines = [f"{i}\tItem {i}\t{text}" for i, text in enumerate(TEXTS)]
    (folder / "items.tsv").write_text("itemID\ttitle\ttext\n" + "\n".join(lines) + "\n")
    return folder


def encode(*arguments: object) -> int:
    return main(["datasets", "encode", *map(str, arguments)])


def test_texts_become_rows_and_a_record(shop: Path, capsys) -> None:
    assert encode(shop, "--dim", 6, "--seed", 2) == 0
    out, err = capsys.readouterr()
    lines = out.splitlines()
    assert lines[0] == f"{shop / 'text_feat.npy'}: 20 rows, 6 wide" and "Traceback" not in err
    assert lines[1].startswith("encoder:      tfidf-svd (scikit-learn ")
    assert lines[3] == "no text:      1 items, filled (mean)"
    expected = encode_text(TEXTS, dim=6, seed=2, cache=False)
    assert np.allclose(np.load(shop / "text_feat.npy"), expected.table().numpy(), atol=1e-6)
    dataset = MMRecFolder(shop, split="random")
    assert dataset.feature_records["text"]["options"] == json.dumps(
        dict(expected.provenance.options), sort_keys=True
    )


def test_a_name_of_its_own_and_overwriting(shop: Path, capsys) -> None:
    assert encode(shop, "--dim", 4, "--modality", "words", "--fill", "zero") == 0
    assert not np.load(shop / "words_feat.npy")[3].any()
    assert encode(shop, "--dim", 5, "--modality", "words") == 3
    assert "words_feat.npy: is already there; --overwrite" in capsys.readouterr().err
    assert np.load(shop / "words_feat.npy").shape == (20, 4)
    assert encode(shop, "--dim", 5, "--modality", "words", "--overwrite") == 0
    assert np.load(shop / "words_feat.npy").shape == (20, 5)


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        ("SHOP --dim 200", 3, "dim"),
        ("SHOP --dim 0", 2, "dim"),
        ("SHOP --pooling cls", 2, "'tfidf-svd' has none"),
        ("SHOP --modality ../text", 2, "modality: got '../text'"),
        ("SHOP --encoder no/such/model/at/all", 3, "there is no such folder"),
        ("SHOP/absent", 3, "there is no such folder"),
        ("SHOP --encodr x", 2, "did you mean '--encoder'"),
    ],
)
def test_errors_leave_nothing(shop: Path, capsys, arguments, status, message) -> None:
    if "no/such" in arguments:
        pytest.importorskip("sentence_transformers")
    assert encode(*arguments.replace("SHOP", str(shop)).split()) == status
    out, err = capsys.readouterr()
    assert out == "" and message in err and "Traceback" not in err
    assert not list(shop.glob("*_feat.*"))


def test_a_folder_without_texts(shop: Path, capsys) -> None:
    (shop / "items.tsv").unlink()
    assert encode(shop) == 3
    assert "items.tsv: there are no texts" in capsys.readouterr().err


def test_lines_are_usable_alone(shop: Path) -> None:
    from mrdib_graph.cli import build_parser

    args = build_parser().parse_args(["datasets", "encode", str(shop), "--dim", "3"])
    assert command(args)[-1] == "record:       text_feat.json"
