import json
import os
import runpy
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from mrdib_graph import __version__
from mrdib_graph.cli import build_parser, main
from mrdib_graph.datasets import Planted
from mrdib_graph.serving import Bundle

SHARED = Path(__file__).resolve().parents[2] / "../shared/data/lastfm2k"


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    made = Bundle.from_tables(
        torch.tensor([[1.0], [-1.0]]),
        torch.tensor([[1.0], [2.0], [3.0]]),
        torch.tensor([[0], [2]]),
        user_ids=["ann", "bob"],
        item_ids=["x", "y", "z\x1b[31m"],
        item_names=["First", "Zweite Straße", "Third"],
    )
    made.save(tmp_path / "bundle")
    return made


def run(*arguments: str) -> int:
    return main(arguments)


def test_recommend_prints_a_table(bundle, tmp_path, capsys) -> None:
    assert run("recommend", "--bundle", str(tmp_path / "bundle"), "--user", "ann", "--k=2") == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert out.splitlines() == [
        "rank  item  name           score",
        "1     y     Zweite Straße  2.0000",
        "2     x     First          1.0000",
    ]


def test_recommend_prints_json(bundle, tmp_path, capsys) -> None:
    folder = str(tmp_path / "bundle")
    arguments = ["recommend", "--bundle", folder, "--user", "ann", "--k", "1", "--format", "json"]
    assert main([*arguments, "--include-seen"]) == 0
    assert json.loads(capsys.readouterr().out) == [
        {"item": "z\x1b[31m", "name": "Third", "score": 3.0, "rank": 1}
    ]


def test_ids_cannot_drive_the_terminal(bundle, tmp_path, capsys) -> None:
    assert run("recommend", "--bundle", str(tmp_path / "bundle"), "--user", "bob", "--k", "3") == 0
    out = capsys.readouterr().out
    assert "\x1b" not in out and r"z\x1b[31m" in out


def test_the_name_column_is_left_out_without_names(tmp_path, capsys) -> None:
    edge_index = torch.empty(2, 0, dtype=torch.int64)
    Bundle.from_tables(torch.ones(1, 1), torch.ones(1, 1), edge_index).save(tmp_path / "b")
    assert run("recommend", "--bundle", str(tmp_path / "b"), "--user", "0", "--k", "1") == 0
    assert capsys.readouterr().out.splitlines() == ["rank  item  score", "1     0     1.0000"]


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        ("", 2, "required: COMMAND"),
        ("recomend", 2, "did you mean 'recommend'?"),
        ("datasets", 2, "required: COMMAND"),
        ("recommend --bundle BUNDLE", 2, "required: --user"),
        ("recommend --bundel BUNDLE --user ann", 2, "did you mean '--bundle'?"),
        ("recommend --bundle BUNDLE --user ann --k x", 2, "invalid int value: 'x'"),
        (
            "recommend --bundle BUNDLE --user ann --k 0",
            2,
            "k: got 0, expected a whole number from 1 to 3",
        ),
        ("recommend --bundle BUNDLE --user anne --k 1", 2, "did you mean 'ann'?"),
        (
            "recommend --bundle BUNDLE --user ann --format xml",
            2,
            "got 'xml', expected table, json",
        ),
        ("recommend --bundle BUNDLE/absent --user ann", 3, "absent: there is no such folder"),
        ("datasets describe planed", 2, "did you mean 'planted'?"),
        ("datasets describe absent.py:Set", 2, "absent.py does not exist"),
        ("datasets check BUNDLE", 3, "BUNDLE"),
        ("ui --runs BUNDLE/absent", 3, "holds mlflow.db"),
        ("ui --port 0", 2, "--port: got 0, expected 1 to 65535"),
        ("--verson", 2, "unknown flag --verson; did you mean '--version'?"),
    ],
)
def test_errors_are_short_and_have_their_status(
    bundle, tmp_path, capsys, arguments: str, status: int, message: str
) -> None:
    folder = str(tmp_path / "bundle")
    assert run(*arguments.replace("BUNDLE", folder).split()) == status
    out, err = capsys.readouterr()
    assert out == ""
    assert message.replace("BUNDLE", folder) in err
    assert err.startswith("error: ") and len(err.splitlines()) == 1


@pytest.mark.parametrize("place", ["first", "last"])
def test_debug_shows_the_traceback(capsys, place: str) -> None:
    arguments = ["ui", "--port", "0"]
    arguments.insert(0 if place == "first" else 3, "--debug")
    assert main(arguments) == 2
    err = capsys.readouterr().err
    assert "Traceback" in err and err.splitlines()[-1].startswith("error: --port: got 0")


def test_an_unexpected_error_is_one_line_and_status_1(bundle, tmp_path, capsys, monkeypatch):
    def fail(_folder: Path) -> None:
        raise RuntimeError("unexpected")

    monkeypatch.setattr(Bundle, "load", fail)
    assert run("recommend", "--bundle", str(tmp_path), "--user", "ann") == 1
    assert capsys.readouterr().err == "error: RuntimeError: unexpected (--debug shows where)\n"


def test_an_interruption_has_status_130(tmp_path, capsys, monkeypatch) -> None:
    def interrupt(_folder: Path) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Bundle, "load", interrupt)
    assert run("recommend", "--bundle", str(tmp_path), "--user", "ann") == 130
    assert capsys.readouterr().err == "interrupted\n"


def test_a_closed_pipe_is_quiet(bundle, tmp_path) -> None:
    read, write = os.pipe()
    os.close(read)
    command = [sys.executable, "-m", "mrdib_graph", "recommend", "--user", "ann", "--k", "2"]
    with os.fdopen(write, "w") as closed:
        done = subprocess.run(
            [*command, "--bundle", str(tmp_path / "bundle")],
            stdout=closed, stderr=subprocess.PIPE, text=True, check=False,
        )  # fmt: skip
    assert (done.returncode, done.stderr) == (1, "")


def test_version(capsys) -> None:
    with pytest.raises(SystemExit) as left:
        run("--version")
    assert left.value.code == 0
    assert capsys.readouterr().out == f"mrdib-graph {__version__}\n"


def test_help_of_every_command(capsys) -> None:
    for arguments in ([], ["run"], ["recommend"], ["ui"], ["datasets"], ["datasets", "describe"]):
        with pytest.raises(SystemExit) as left:
            build_parser().parse_args([*arguments, "--help"])
        assert left.value.code == 0
        assert " ".join(["usage: mrdib-graph", *arguments]) in capsys.readouterr().out


def test_the_parser_module_imports_nothing_heavy() -> None:
    code = (
        "import sys, runpy; before = set(sys.modules); import mrdib_graph; own = set(sys.modules)\n"
        "from mrdib_graph.cli import build_parser; build_parser()\n"
        "print(*sorted(m.split('.')[0] for m in set(sys.modules) - own))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"torch", "mlflow", "pandas", "torch_geometric"} & set(done.stdout.split())


@pytest.mark.parametrize("module", ["mrdib_graph", "mrdib_graph.cli"])
def test_the_module_runs_as_a_script(module, monkeypatch, capsys) -> None:
    monkeypatch.setattr(sys, "argv", ["mrdib-graph", "--version"])
    with pytest.raises(SystemExit) as left:
        runpy.run_module(module, run_name="__main__")
    assert left.value.code == 0
    assert __version__ in capsys.readouterr().out


def table(text: str) -> dict[str, str]:
    pairs = [line.partition(":") for line in text.splitlines()]
    return {name: value.strip() for name, _, value in pairs}


def test_datasets_describe_prints_the_counts(capsys) -> None:
    assert run("datasets", "describe", "Planted") == 0
    found = table(capsys.readouterr().out)
    data = Planted()[0]
    edges = data["user", "interacts", "item"]
    assert found["users"] == f"{data['user'].num_nodes:,}"
    assert found["interactions"] == f"{edges.edge_index.size(1):,}"
    assert found["train"] == f"{int(edges.train_mask.sum()):,}"
    assert found["digest"] == Planted().digest
    assert found["split leak"] == "none found"
    assert f"image ({data['image'].x.size(1)} wide)" in found["modalities"]


def test_datasets_describe_takes_a_file_and_its_root(tmp_path, capsys) -> None:
    (tmp_path / "own.py").write_text(
        "from mrdib_graph.datasets import MMRecFolder\n\n\nclass Own(MMRecFolder):\n    pass\n"
    )
    folder = write_folder(tmp_path / "tiny")
    name = f"{tmp_path / 'own.py'}:Own"
    assert run("datasets", "describe", name, "--root", str(folder)) == 0
    assert table(capsys.readouterr().out)["items"] == "3"


def write_folder(folder: Path) -> Path:
    folder.mkdir()
    rows = ["userID\titemID\tx_label", "0\t0\t0", "0\t1\t1", "0\t2\t2", "1\t0\t0", "1\t2\t0"]
    (folder / f"{folder.name}.inter").write_text("\n".join(rows) + "\n")
    np.save(folder / "text_feat.npy", np.arange(12, dtype=np.float32).reshape(3, 4) % 5)
    return folder


def test_datasets_check_of_a_good_and_a_bad_folder(tmp_path, capsys) -> None:
    folder = write_folder(tmp_path / "tiny")
    assert run("datasets", "check", str(folder)) == 0
    out = capsys.readouterr().out
    found = table(out)
    assert (found["users"], found["items"], found["interactions"]) == ("2", "3", "5")
    assert found["density"] == "83.3333 %"
    assert out.splitlines()[-1] == "no error found; warnings: 1"
    assert "warning: tiny: 1 items have no training row" in out
    np.save(folder / "text_feat.npy", np.zeros((2, 4), dtype=np.float32))
    assert run("datasets", "check", str(folder)) == 3
    assert "text_feat.npy" in capsys.readouterr().err


@pytest.mark.shared
@pytest.mark.skipif(not SHARED.is_dir(), reason="../shared/data/lastfm2k is not there")
def test_datasets_describe_with_a_root(capsys) -> None:
    assert run("datasets", "describe", "lastfm2k", "--root", str(SHARED.parent)) == 0
    found = table(capsys.readouterr().out)
    assert (found["users"], found["items"], found["interactions"]) == ("1,858", "1,425", "56,345")


def test_ui_replaces_the_process_by_mlflow(tmp_path, capsys, monkeypatch) -> None:
    (tmp_path / "mlflow.db").touch()
    started = []
    monkeypatch.setattr(os, "execv", lambda path, command: started.append((path, command)))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    assert run("ui", "--runs", str(tmp_path), "--port", str(port)) == 0
    (path, command) = started[0]
    assert path == command[0] == sys.executable
    assert f"http://127.0.0.1:{port}" in capsys.readouterr().out
    assert f"sqlite:///{tmp_path / 'mlflow.db'}" in command
