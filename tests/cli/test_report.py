"""The page of pictures: what is drawn, what is said not to be, and where it is logged."""

import json
import re
import shutil
from pathlib import Path

import pytest

from mrdib_graph.cli import Parser, main
from mrdib_graph.cli.report import add_flags, command
from mrdib_graph.errors import ConfigError, DataError
from mrdib_graph.experiment import gallery, run_tracking
from mrdib_graph.experiment.report import p_text
from mrdib_graph.plotting import arm_bars
from mrdib_graph.tuning import Trial, write_trials

PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture(scope="module")
def report() -> type:
    class Report:
        """The command, its errors as they are."""

        @staticmethod
        def main(arguments: list[str]) -> None:
            parser = Parser(prog="report")
            add_flags(parser)
            for line in command(parser.parse_args(arguments)):
                print(line)

    return Report


@pytest.fixture(scope="module")
def ablated(tiny_job, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run with ablations, without profile and MLflow."""
    folder = tmp_path_factory.mktemp("ablated") / "run"
    arms = "bare,mrdib,no-redundancy,no-unique"
    with pytest.MonkeyPatch.context() as patch:  # the run's own figures take most of its time
        patch.setattr(run_tracking, "draw", lambda *given, **_: given[3])
        done = tiny_job("--backbone", "vbpr", "--arms", arms, "--seeds", "0,1", "--out", folder)
    assert done.status == 0, done.err
    return folder


def pictures(folder: Path) -> list[str]:
    """The pictures that the page names, each of which is there."""
    text = (folder / "index.html").read_text(encoding="utf-8")
    names = re.findall(r"<img src='([^']+)'", text)
    assert all((folder / name).read_bytes().startswith(PNG) for name in names)
    assert len(names) == len(set(names))
    return names


@pytest.fixture
def trials(tmp_path: Path) -> Path:
    path = tmp_path / "grid.csv"
    points = [(0.0, 0.2), (0.1, 0.3), (1.0, 0.1)]
    rows = [
        Trial("vbpr", "mrdib", n, "recall@20", value, {"alpha_unique": alpha})
        for n, (alpha, value) in enumerate(points)
    ]
    write_trials(path, [Trial("vbpr", "bare", 0, "recall@20", 0.25, {"reg_fused": 0.1}), *rows])
    return path


def test_every_picture_of_a_run_with_ablations(
    report: type, ablated: Path, trials: Path, tmp_path: Path, capsys
) -> None:
    before = {p: p.read_bytes() for p in ablated.rglob("*") if p.is_file()}
    report.main([str(ablated), "--out", str(tmp_path / "page"), "--trials", str(trials)])
    assert pictures(tmp_path / "page") == [
        *("gains-vbpr.png", "controls-vbpr.png", "ablations-vbpr.png", "curves-vbpr.png"),
        *("codes-vbpr-mrdib.png", "sensitivity-vbpr-mrdib.png"),
    ]
    out = capsys.readouterr().out
    assert "not drawn: information profile: the run did not measure it" in out
    text = (tmp_path / "page" / "index.html").read_text(encoding="utf-8")
    assert "the run did not measure it" in text and "<table>" in text and "no-unique" in text
    assert {p: p.read_bytes() for p in ablated.rglob("*") if p.is_file()} == before


@pytest.mark.slow
def test_a_run_with_profile_and_controls_is_logged_to_its_run(
    report: type, finished, tmp_path: Path, capsys
) -> None:
    from mlflow.tracking import MlflowClient

    uri = f"sqlite:///{finished.folder}/mlflow.db"
    report.main([str(finished.folder), "--out", str(tmp_path), "--tracking-uri", uri])
    names = pictures(tmp_path)
    assert {"gains-vbpr.png", "controls-vbpr.png", "codes-vbpr-mrdib.png"} <= set(names)
    assert {"curves-vbpr.png", "curves-lightgcn.png"} <= set(names)
    assert {"information-vbpr-mrdib.png", "knock-out-vbpr-bare.png"} <= set(names)
    out = capsys.readouterr().out
    assert "lightgcn, gains: the run has no arm beside bare" in out
    assert "there are no trials; run with --tune" in out
    [run_id] = re.findall(r"run: logged to the run (\w+), folder gallery", out)
    client = MlflowClient(uri)
    assert client.get_run(run_id).info.run_name == "run"
    logged = {Path(f.path).name for f in client.list_artifacts(run_id, "gallery")}
    assert logged == set(names)


def test_the_figure_says_the_p_value_of_the_table(report: type, finished) -> None:
    results = json.loads((finished.folder / "results.json").read_text(encoding="utf-8"))
    rows = [c for c in results["comparisons"] if c["baseline"] == "bare"]
    texts = [t.get_text() for t in arm_bars(rows, "recall@20").axes[0].texts]
    table = (finished.folder / "report.md").read_text(encoding="utf-8")
    for row, text in zip([c for c in rows if c["metric"] == "recall@20"], texts, strict=True):
        [line] = re.findall(rf"^\| vbpr +\| {row['arm']} +\|.*$", table, re.MULTILINE)
        assert p_text(row["p_holm"]) in [cell.strip() for cell in line.split("|")]
        shown = re.search(r"p ([<=]) ([\d.]+)", text)
        assert shown is not None
        exact = row["p_holm"]
        assert (
            exact < 0.001 if shown[1] == "<" else float(shown[2]) == pytest.approx(exact, abs=6e-4)
        )


def test_ablations_are_differences_to_the_whole(
    report: type, ablated: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    drawn = []
    monkeypatch.setattr(
        gallery.plotting, "arm_bars", lambda rows: drawn.append(rows) or arm_bars(rows)
    )
    report.main([str(ablated), "--out", str(tmp_path), "--no-codes", "--metric", "ndcg@10"])
    [ablations] = [rows for rows in drawn if rows[0]["baseline"] == "mrdib"]
    assert [c["arm"] for c in ablations] == ["no-redundancy", "no-unique", "bare"]
    results = json.loads((ablated / "results.json").read_text(encoding="utf-8"))
    means = {arm["arm"]: arm["mean"]["ndcg@10"] for arm in results["arms"]}
    for c in ablations:
        expected = 100 * (means[c["arm"]] / means["mrdib"] - 1)
        assert c["gain_percent"] == pytest.approx(expected, abs=1e-8)
        assert c["ci95"][0] <= c["gain_percent"] <= c["ci95"][1]
        assert c["metric"] == "ndcg@10"


def test_several_runs_on_one_page(report: type, ablated: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="name a folder"):
        report.main([str(ablated), str(ablated)])
    page = tmp_path / "page"
    report.main([str(ablated), str(ablated), "--out", str(page), "--no-codes"])
    names = pictures(page)
    assert names[0] == "gains.png"
    assert {"1-gains-vbpr.png", "2-gains-vbpr.png", "2-curves-vbpr.png"} <= set(names)


def test_what_cannot_be_drawn_is_said(report: type, ablated: Path, tmp_path: Path, capsys) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(ablated, copy)
    shutil.rmtree(copy / "checkpoints")
    report.main([str(copy)])
    assert pictures(copy / "gallery") == [
        *("gains-vbpr.png", "controls-vbpr.png", "ablations-vbpr.png")
    ]
    out = capsys.readouterr().out
    for part in ("vbpr, curves: ", "vbpr, map of the codes: "):
        assert re.search(f"not drawn: {part}.*checkpoint cannot be read", out)


def test_wrong_input_is_named(report: type, ablated: Path, tmp_path: Path, capsys) -> None:
    with pytest.raises(ConfigError, match="--metric recal@20: expected one of recall@5"):
        report.main([str(ablated), "--metric", "recal@20"])
    with pytest.raises(DataError, match="absent.csv: cannot be read"):
        report.main([str(ablated), "--trials", str(tmp_path / "absent.csv")])
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match="cannot be written"):
        report.main([str(ablated), "--out", str(tmp_path / "file" / "x")])
    assert main(["report", str(tmp_path)]) == 3
    out, err = capsys.readouterr()
    assert "there is no config.yaml" in err and not out
