"""The comparison of the estimators: cells, tables and files, on tiny sizes."""

import contextlib
import io
import json
import math
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch

from mrdib_graph.errors import ConfigError
from mrdib_graph.estimators import MINE, Gaussian
from mrdib_graph.testing.estimators import gaussian_information

SCRIPT = Path(__file__).resolve().parents[2] / "benchmarks" / "estimators.py"
TINY = ["--dims", "2", "--rows", "40", "--steps", "3", "--repeats", "2", "--draws", "3"]
TINY += ["--cost-rows", "20,30"]
NAMES = ["gaussian", "mine", "club", "infonce", "hsic"]


def run(compare: ModuleType, *flags: str) -> str:
    """What the script prints; the number of threads is as before."""
    threads, out = torch.get_num_threads(), io.StringIO()
    try:
        with contextlib.redirect_stdout(out):
            compare.main([*TINY, *flags])
    finally:
        torch.set_num_threads(threads)
    return out.getvalue()


@pytest.fixture(scope="module")
def compare(load_job) -> ModuleType:
    return load_job("estimators")


@pytest.fixture(scope="module")
def done(compare: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    folder = tmp_path_factory.mktemp("estimators") / "new"
    return folder, run(compare, "--out", str(folder))


def test_every_cell_is_measured_and_written(done: tuple[Path, str]) -> None:
    folder, out = done
    content = json.loads((folder / "estimators.json").read_text(encoding="utf-8"))
    rows = content["rows"]
    assert [(r["nats"], r["estimator"], r["data"]) for r in rows] == [
        (nats, name, data) for nats in (0, 2) for name in NAMES for data in ("fresh", "same")
    ]
    for row in rows:
        learned = row["estimator"] in ("mine", "club", "infonce")
        assert len(row["values"]) == (2 if learned and row["data"] == "same" else 6)
        values = torch.tensor(row["values"], dtype=torch.float64)
        assert row["mean"] == pytest.approx(float(values.mean()))
        assert row["sd"] == pytest.approx(float(values.std()))
        hsic = row["estimator"] == "hsic"
        assert row["in_nats"] != hsic
        assert row["bias"] == (None if hsic else pytest.approx(row["mean"] - row["nats"]))
    assert content["sizes"]["steps"] == 3 and content["machine"]["threads"] == 1
    assert [(c["rows"], c["estimator"]) for c in content["cost"]] == [
        (n, name) for n in (20, 30) for name in NAMES
    ]
    assert all(c["milliseconds"] > 0 and c["embedding_dim"] == 2 for c in content["cost"])
    assert (folder / "estimators.png").read_bytes()[:4] == b"\x89PNG"
    text = (folder / "estimators.md").read_text(encoding="utf-8")
    assert out.endswith("\n" + text)


def test_tables_show_what_the_numbers_say(done: tuple[Path, str]) -> None:
    folder, _ = done
    rows = json.loads((folder / "estimators.json").read_text(encoding="utf-8"))["rows"]
    text = (folder / "estimators.md").read_text(encoding="utf-8")
    tables = [[c.strip() for c in line.split("|")] for line in text.splitlines()]
    errors = [cells[1:-1] for cells in tables if cells[1:2] in (["fresh"], ["same"])]
    assert [cells[:4] for cells in errors] == [
        [data, "2", "40", nats] for data in ("fresh", "same") for nats in ("0", "2")
    ]
    for cells in errors:
        found = [r for r in rows if r["data"] == cells[0] and r["nats"] == float(cells[3])]
        expected = [f"{r['bias']:+.2f} ± {r['sd']:.2f}" for r in found[:-1]]
        assert cells[4:] == [*expected, f"{found[-1]['mean']:.3f} ± {found[-1]['sd']:.3f}"]
    [apart] = [cells[3:-1] for cells in tables if cells[1:3] == ["2", "40"]]
    for name, shown in zip(NAMES, apart, strict=True):
        low, high = (r for r in rows if r["estimator"] == name and r["data"] == "fresh")
        spread = math.sqrt((low["sd"] ** 2 + high["sd"] ** 2) / 2)
        assert float(shown) == pytest.approx((high["mean"] - low["mean"]) / spread, abs=0.06)
    costs = [cells[1:3] for cells in tables if cells[1:2] == ["2"] and "(" in cells[-2]]
    assert costs == [["2", "20"], ["2", "30"]]


def test_the_correlation_gives_the_nats_at_every_width(compare: ModuleType) -> None:
    for d, nats in ((1, 0.0), (4, 2.0), (64, 5.0)):
        r = compare.correlation(nats, d)
        assert gaussian_information(d, r) == pytest.approx(nats)


def test_the_closed_form_finds_the_nats(compare: ModuleType) -> None:
    sizes = compare.Sizes(repeats=2, draws=20)
    values = compare.estimates(Gaussian, 4, 512, 2.0, "fresh", sizes)
    assert len(set(values)) == 40
    assert sum(values) / 40 == pytest.approx(2.0, abs=0.1)


def test_a_critic_learns_its_own_rows_by_heart(compare: ModuleType) -> None:
    """The reason for the two kinds of data: on independent codes one of them is far above 0."""
    sizes = compare.Sizes(repeats=1, draws=5, steps=150)
    fresh, same = (compare.estimates(MINE, 8, 64, 0.0, data, sizes) for data in compare.DATA)
    assert max(map(abs, fresh)) < 0.2
    assert min(same) > 1


def test_a_class_from_a_file(compare: ModuleType, tmp_path: Path) -> None:
    path = tmp_path / "mine_too.py"
    path.write_text(
        "from mrdib_graph.estimators import Gaussian\n\n\nclass Mine(Gaussian):\n    pass\n",
        encoding="utf-8",
    )
    names = f"gaussian,{path}:Mine"
    out = run(compare, "--estimators", names, "--out", str(tmp_path / "out"))
    assert "| d   | rows   | gaussian   | Mine" in out


def test_as_a_program() -> None:
    command = [sys.executable, str(SCRIPT), "--dims", "wide"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 2 and not done.stdout
    assert done.stderr == "error: --dims: got 'wide', expected whole numbers, as 1,2,3\n"


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--dims", "4,x"], r"--dims: got '4,x', expected whole numbers"),
        (["--dims", "0"], r"dims: got \(0,\), expected a list, each a whole number, 1 or more"),
        (
            ["--cost-rows", "1"],
            r"cost_rows: got \(1,\), expected a list, each a whole number, 2 or more",
        ),
        (["--nats", ""], "--nats: got '', expected one or more"),
        (["--estimators", ""], "estimators: got none, expected one or more"),
        (["--draws", "1"], "draws: got 1, expected a whole number, 2 or more"),
        (["--estimators", "gausian"], "did you mean 'gaussian'"),
    ],
)
def test_wrong_flags_are_named(compare: ModuleType, flags: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        run(compare, *flags)
