import argparse

import pytest

from mrdib_graph.cli import datasets_fetch, main
from mrdib_graph.testing import write_raw_amazon


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    folder = tmp_path_factory.mktemp("raw")
    write_raw_amazon(folder, users=60, items=40, rows=700)
    return folder


def run(*arguments):
    return main(["datasets", "fetch", *map(str, arguments)])


def table(text: str) -> dict[str, str]:
    pairs = [line.partition(":") for line in text.splitlines()]
    return {name: value.strip() for name, _, value in pairs}


def test_one_command_from_raw_files_to_a_checked_graph(raw, tmp_path, capsys):
    flags = ["--root", tmp_path, "--from", raw, "--any-checksum"]
    assert run("amazon-baby", *flags) == 0
    out, err = capsys.readouterr()
    found = table(out)
    assert found["data set"] == "amazon-baby" and found["items"] == "40"
    assert found["folder"] == str(tmp_path / "amazon-baby")
    assert found["split rule"].startswith("random seed=0")
    steps = [line.partition(":")[0] for line in err.splitlines()]
    assert [s for s in steps if s in ("read", "core", "split", "text")] == [
        "read", "core", "split", "text",
    ]  # fmt: skip
    assert main(["datasets", "check", str(tmp_path / "amazon-baby")]) == 0
    capsys.readouterr()
    assert run("amazon_baby", *flags) == 0
    assert "up to date" in capsys.readouterr().err
    assert run("amazon-baby", *flags, "--split", "lattice", "--set", "build.core=6") == 0
    assert table(capsys.readouterr().out)["split rule"].startswith("lattice seed=0")


def test_a_category_is_an_option(raw, tmp_path, capsys):
    for path in raw.iterdir():
        (tmp_path / path.name.replace("Baby", "Toys")).symlink_to(path)
    flags = ["--root", tmp_path / "data", "--from", tmp_path, "--set", "category=Toys"]
    assert run("amazon-reviews", *flags, "--set", "build={images: false, bad_lines: 1e-3}") == 0
    assert table(capsys.readouterr().out)["data set"] == "amazon-toys"
    assert not (tmp_path / "data/amazon-toys/image_feat.npy").exists()


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        ("amazon-babe --root ROOT", 2, "did you mean 'amazonbaby'"),
        ("planted", 2, "planted has nothing to fetch"),
        ("mmrecfolder", 2, "has nothing to fetch"),
        ("amazon-baby --root ROOT --from ROOT/absent", 3, "absent: there is no such folder"),
        ("amazon-baby --root ROOT --from ROOT", 3, "ratings_Baby.csv: not found"),
        ("amazon-baby --root ROOT --from RAW", 3, "published is a219f779"),
        ("amazon-baby --root ROOT --from RAW --mirror http://a", 2, "got both"),
        ("amazon-baby --root ROOT --mirror x", 2, "mirror: got 'x'"),
        ("amazon-baby --root ROOT --mirror http://127.0.0.1:9 --attempts 1", 3, "interrupted"),
        ("amazon-baby --root ROOT --attempts 0", 2, "attempts: got 0"),
        ("amazon-baby --root ROOT --split given", 2, "raw files have no split"),
        ("amazon-baby --root ROOT --split rnd", 2, "split: got 'rnd'"),
        ("amazon-baby --root ROOT --set core=10", 2, "option 'core' is unknown"),
        ("amazon-baby --root ROOT --set build.cor=10", 2, "option 'cor' is unknown; did you mean"),
        ("amazon-baby --root ROOT --set build.core", 2, "--set: got 'build.core'"),
        ("amazon-baby --root ROOT --set build={x", 2, "--set: build={x cannot be read"),
        ("amazon-reviews --root ROOT --set category=../x", 2, "category: got '../x'"),
        ("amazon-reviews --root ROOT --set edition=2018", 2, "edition: got 2018"),
        ("lastfm2k --root ROOT --from ROOT", 2, "put copies into"),
        ("lastfm2k --root ROOT --mirror http://127.0.0.1:9/x --attempts 1", 3, "9/x/lfm2k.inter: "),
        ("amazon-baby --form x", 2, "did you mean '--from'"),
    ],
)
def test_errors_are_short_and_leave_nothing(raw, tmp_path, capsys, arguments, status, message):
    arguments = arguments.replace("ROOT", str(tmp_path)).replace("RAW", str(raw)).split()
    assert run(*arguments) == status
    out, err = capsys.readouterr()
    assert out == "" and message in err and "Traceback" not in err
    assert not list(tmp_path.glob("amazon*"))


def test_flags_and_fetch_are_usable_alone(raw, tmp_path):
    parser = argparse.ArgumentParser()
    datasets_fetch.add_flags(parser)
    flags = ["amazon-baby", "--from", str(raw), "--root", str(tmp_path), "--any-checksum"]
    lines = datasets_fetch.command(parser.parse_args(flags))
    assert lines[-1] == f"folder:       {tmp_path / 'amazon-baby'}"
