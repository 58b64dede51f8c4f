from argparse import ArgumentParser, Namespace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from mrdib_graph.cli import datasets_check, datasets_describe, main
from mrdib_graph.datasets import MMRecFolder
from mrdib_graph.errors import DataError

SHARED = Path(__file__).resolve().parents[2] / "../shared/data/lastfm2k"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """12 users with 5 of 10 items each; image rows are 1,000 times as long as text rows."""
    made = tmp_path / "shop"
    made.mkdir()
    rng = np.random.default_rng(0)
    lines = ["userID\titemID"]
    for user in range(12):
        lines += [f"{user}\t{item}" for item in rng.choice(10, 4, replace=False)]
    lines += [f"0\t{item}" for item in range(10) if f"0\t{item}" not in lines]
    (made / "shop.inter").write_text("\n".join(lines) + "\n")
    text = rng.standard_normal((10, 4)).astype(np.float32)
    text[3] = 0
    np.save(made / "text_feat.npy", text)
    np.save(made / "image_feat.npy", 1000 * rng.standard_normal((10, 4)).astype(np.float32))
    return made


def describe(*arguments: object) -> int:
    return main(["datasets", "describe", *map(str, arguments)])


def test_describe_a_folder_with_its_figure(folder, tmp_path, capsys) -> None:
    figure = tmp_path / "made" / "shop.png"
    assert describe(folder, "--split", "random", "--split-seed", 3, "--figure", figure) == 0
    out, err = capsys.readouterr()
    assert err == ""
    dataset = MMRecFolder(folder, split="random", split_seed=3)
    assert f"digest:       {dataset.digest}" in out and "random seed=3" in out
    rows = {line.split()[0]: line.split() for line in out.splitlines() if line}
    assert rows["users"][1:6] == ["4", "4", "4", "4", "10"]
    norms = np.sort(np.linalg.norm(np.load(folder / "image_feat.npy").astype(float), axis=1))
    image = rows["image"]  # of the raw features, although the run would scale them
    assert (float(image[6]), float(image[8])) == pytest.approx((norms[0], norms[-1]), rel=5e-3)
    assert rows["text"][1:5] == ["4", "10", "(100.0", "%)"]
    assert "anomaly: text: 1 all-zero rows" in out
    assert "anomaly: rows of image are" in out and "scaling:      columns z-scored" in out
    assert out.endswith(f"figure: {figure}\n")
    assert figure.read_bytes().startswith(b"\x89PNG")


def test_describe_a_folder_reads_its_labels(folder, capsys) -> None:
    assert describe(folder) == 3
    assert "x_label is missing" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["FOLDER", "--split", "radnom"], 2, "did you mean 'random'?"),
        (["FOLDER/absent", "--split", "random"], 3, "there is no such folder"),
        (["planted", "--split", "random"], 2, "--split: planted makes its own split"),
        (
            ["planted", "--figure", "a.docx"],
            2,
            "--figure: got a.docx, expected a file that ends in .",
        ),
        (
            ["planted", "--figure", "figure"],
            2,
            "--figure: got figure, expected a file that ends in .",
        ),
        (["FOLDER", "--split=random", "--figure", "FOLDER/shop.inter/a.png"], 3, "cannot be writ"),
    ],
)
def test_errors(folder, capsys, arguments: list[str], status: int, message: str) -> None:
    assert describe(*(word.replace("FOLDER", str(folder)) for word in arguments)) == status
    assert message in capsys.readouterr().err


def test_a_generator_is_described_without_a_root(capsys) -> None:
    assert describe("planted") == 0
    out = capsys.readouterr().out
    assert "degrees" in out and "mean cosine" in out and "anomaly: " in out


@pytest.mark.shared
@pytest.mark.skipif(not SHARED.is_dir(), reason="../shared/data/lastfm2k is not there")
def test_real_features_are_described_as_they_are(capsys) -> None:
    assert describe("lastfm2k", "--root", SHARED.parent) == 0
    out = capsys.readouterr().out
    for text in (
        "text: 3 near-constant columns",
        "audio_vggish: all rows point the same way, two of them have mean cosine 0.967",
        "audio_whisper: all rows point the same way, two of them have mean cosine 0.975",
        "rows of audio_vggish are",
    ):
        assert f"anomaly: {text}" in out


def parsed(command: ModuleType, *arguments: object) -> Namespace:
    parser = ArgumentParser()
    command.add_flags(parser)
    return parser.parse_args([str(word) for word in arguments])


def test_lines_begin_with_the_counts_and_an_error_ends_them(folder) -> None:
    counts = datasets_describe.count_lines(MMRecFolder(folder, split="random"))
    args = parsed(datasets_describe, folder, "--split", "random")
    assert datasets_describe.command(args)[: len(counts)] == counts
    args = parsed(datasets_check, folder, "--split", "random")
    assert list(datasets_check.command(args))[: len(counts)] == counts
    (folder / "text_feat.npy").write_bytes(b"")
    with pytest.raises(DataError, match="text_feat.npy"):
        next(datasets_check.command(args))
