import argparse
import json
from pathlib import Path

import numpy as np
import pytest

from mrdib_graph.cli import main
from mrdib_graph.cli.datasets_convert import FORMATS, add_flags, command
from mrdib_graph.datasets import MMRecFolder
from mrdib_graph.datasets.conversion.converters import READERS


@pytest.fixture
def recbole(tmp_path: Path) -> Path:
    folder = tmp_path / "recbole"
    folder.mkdir()
    lines = ["user_id:token\titem_id:token\trating:float\ttimestamp:float"]
    lines += [f"u{u}\ti{(u + i) % 6}\t{1 + i}\t{10 * i + u}" for u in range(4) for i in range(5)]
    (folder / "s.inter").write_text("\n".join(lines) + "\n")
    item = ["item_id:token\ttitle:token_seq\tyear:token\tgenre:token_seq"]
    item += [f"i{i}\tItem {i}\t199{i}\tDrama War" for i in range(7)]
    (folder / "s.item").write_text("\n".join(item) + "\n")
    return folder


@pytest.fixture
def lattice(tmp_path: Path) -> Path:
    folder = tmp_path / "lattice"
    folder.mkdir()
    splits = {"train": {"0": [0, 1], "3": [1]}, "val": {"0": [2]}, "test": {"3": [2]}}
    for name, split in splits.items():
        (folder / f"{name}.json").write_text(json.dumps(split))
    np.save(folder / "odd.npy", np.eye(5, dtype=np.float32))
    return folder


def convert(*arguments: object) -> int:
    return main(["datasets", "convert", *map(str, arguments)])


def test_the_formats_are_those_of_the_library() -> None:
    assert set(FORMATS) == set(READERS)


def test_example_data_of_recbole_go_by_name(recbole, tmp_path, capsys, monkeypatch) -> None:
    examples = tmp_path / "examples"
    (examples / "s").mkdir(parents=True)
    for path in recbole.iterdir():
        path.rename(examples / "s" / path.name)
    monkeypatch.setenv("RECBOLE_DATA", str(examples))
    monkeypatch.chdir(tmp_path)
    assert convert("recbole", "s", tmp_path / "shop") == 0
    assert "4 users, 6 items" in capsys.readouterr().out
    assert convert("recbole", "absent", tmp_path / "other") == 3
    assert "example data 'absent' of recbole: not found" in capsys.readouterr().err


def test_prints_what_was_made(recbole, tmp_path, capsys) -> None:
    dest = tmp_path / "out" / "shop"
    flags = ["--split", "global_time", "--split-share", "0.4"]
    assert convert("recbole", recbole, dest, *flags) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"{dest}: 4 users, 6 items, 20 interactions"
    assert [line.split(":")[0] for line in lines[1:]] == [
        "items without a row",
        "modalities",
        "split",
    ]
    assert lines[1].split()[-1] == "1" and lines[2].split()[-1] == "none"
    assert "global_time share=0.4 sha256=" in lines[3]
    assert main(["datasets", "check", str(dest)]) == 0


def test_only_flags_that_were_given_are_options(recbole, tmp_path) -> None:
    parser = argparse.ArgumentParser()
    add_flags(parser)
    args = parser.parse_args(["recbole", str(recbole), str(tmp_path / "d")])
    lines = command(args)
    assert lines[0].startswith(f"{tmp_path / 'd'}: ")
    assert lines[-1].endswith("none: name a rule when the folder is read")
    record = json.loads((tmp_path / "d/provenance.json").read_text())
    assert record["options"] == {} and record["split"] is None


def test_flags_of_a_format_reach_it(recbole, lattice, tmp_path, capsys) -> None:
    flags = ["--min-rating", "3", "--text-columns", "genre, title", "--deduplicate"]
    assert convert("recbole", recbole, tmp_path / "a", *flags) == 0
    assert "rows below min_rating:  8" in capsys.readouterr().out
    dataset = MMRecFolder(tmp_path / "a", split="random")
    texts, ids = dataset.item_texts, dataset.item_ids
    assert texts is not None and ids is not None
    assert texts[ids.index("i2")] == "Drama War Item 2"
    flags = ["--feature", f"image={lattice / 'odd.npy'}", "--renumber"]
    assert convert("lattice", lattice, tmp_path / "b", *flags) == 0
    out = capsys.readouterr().out
    assert "image (5 wide)" in out and "given sha256=" in out and "2 users" in out
    assert MMRecFolder(tmp_path / "b").load()["image"].x.shape == (3, 5)


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        ("recbol SOURCE DEST", 2, "did you mean 'recbole'?"),
        ("recbole SOURCE", 2, "required: DEST"),
        ("recbole SOURCE DEST --min-ratin 3", 2, "did you mean '--min-rating'?"),
        ("recbole SOURCE DEST --encoding utf-8", 2, "option 'encoding' is unknown"),
        ("recbole SOURCE SOURCE", 2, "exists and is not an empty folder"),
        ("recbole SOURCE DEST --split radnom", 2, "did you mean 'random'?"),
        ("recbole SOURCE DEST --split random --split-share .1", 2, "'random' takes none"),
        ("recbole SOURCE DEST --split-share .1", 2, "--split-share: name the rule, too"),
        ("recbole SOURCE DEST --split given", 3, "has no split; name a rule"),
        ("recbole SOURCE DEST --text-columns name", 3, "s.item: line 1 has no text column 'name'"),
        ("lattice SOURCE DEST --feature image", 2, "got 'image', expected MODALITY=FILE"),
        ("lattice SOURCE DEST --feature a=x --feature a=y", 2, "--feature: a modality is named"),
        ("movielens SOURCE DEST", 3, "found neither"),
        ("movielens SOURCE/absent DEST", 3, "expected the folder with the raw files"),
    ],
)
def test_mistakes_are_short_and_have_their_status(
    recbole, tmp_path, capsys, arguments: str, status: int, message: str
) -> None:
    words = arguments.replace("SOURCE", str(recbole)).replace("DEST", str(tmp_path / "d")).split()
    assert convert(*words) == status
    out, err = capsys.readouterr()
    assert out == "" and message in err and len(err.splitlines()) <= 2
    assert not (tmp_path / "d").exists()


def test_a_pickle_is_refused_with_the_way_out(tmp_path, capsys) -> None:
    (tmp_path / "trnMat.pkl").write_bytes(b"\x80\x04.")
    assert convert("diffmm", tmp_path, tmp_path / "d") == 3
    err = capsys.readouterr().err
    assert "trnMat.pkl" in err and "in a sandbox" in err and "save_npz" in err
