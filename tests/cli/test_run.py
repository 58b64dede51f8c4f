"""The command line of the main job: what it accepts, what it refuses, how it ends."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mrdib_graph.cli.run import SETTINGS
from mrdib_graph.datasets import MMRecFolder, Planted
from mrdib_graph.experiment import Experiment
from mrdib_graph.experiment import config as configuration

DOOR = Path(__file__).resolve().parents[2] / "benchmarks" / "run.py"
VBPR = ("--backbone", "vbpr")


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")


@pytest.fixture
def no_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    """Any access to a data set fails the test."""

    def refuse(self: object) -> None:
        raise AssertionError("data were read")

    for cls in (Planted, MMRecFolder):
        monkeypatch.setattr(cls, "load", refuse)


def set_(*assignments: str) -> list[str]:
    return [flag for a in assignments for flag in ("--set", a)]


REFUSED = {
    "flag": (["--bakbone", "vbpr"], "unknown flag --bakbone; did you mean '--backbone'?"),
    "flag with =": (["--objectve=bare"], "unknown flag --objectve; did you mean '--objective'?"),
    "stray word": (["vbpr"], "unrecognized arguments: vbpr"),
    "no value": (["--backbone"], "argument --backbone: expected one argument"),
    "placement typed wrong": (["--loader", "fll"], "did you mean 'full'?"),
    "backbone": (["--backbone", "latice"], "'latice' is unknown; did you mean 'lattice'?"),
    "arm": (["--arms", "bare,mrdbi"], "'mrdbi' is unknown; did you mean 'mrdib'?"),
    "dataset": (["--dataset", "plantd"], "'plantd' is unknown; did you mean 'planted'?"),
    "baseline": (["--baselines", "eas"], "'eas' is unknown; did you mean 'ease'?"),
    "estimator": (["--estimator", "min"], "'min' is unknown; did you mean 'mine'?"),
    "nothing like it": (["--backbone", "zzz"], "'zzz' is unknown. Choices: "),
    "twice": (["--backbone", "vbpr,VBPR"], "names one twice"),
    "file": (["--backbone", "none.py:Mine"], "the file none.py does not exist"),
    "top key": (set_("sedes=[1]"), "'sedes' is unknown; did you mean 'seeds'?"),
    "settings key": (set_("settings.vbpr.optoins.reg=1"), "did you mean 'options'?"),
    "trainer key": (set_("settings.vbpr.trainer.epoch=1"), "did you mean 'epochs'?"),
    "settings of none": (set_("settings.vbrp.reg_fused=1"), "'vbrp' is unknown; did you mean"),
    "option": (set_("settings.vbpr.options.userside=x"), "did you mean 'user_side'?"),
    "option's type": (
        set_("settings.vbpr.options.reg=abc"),
        "'reg': got 'abc', expected 0 or more",
    ),
    "option's choice": (
        set_("settings.vbpr.options.user_side=x"),
        "'user_side': got 'x', expected shared or vector",
    ),
    "sizes are no options": (set_("settings.vbpr.options.num_items=3"), "a place of its own"),
    "data option": (set_("dataset_options.num_usrs=9"), "did you mean 'num_users'?"),
    "data option's type": (set_("dataset_options.noise=loud"), "'noise': got 'loud', expected 0"),
    "arm of settings": (set_("settings.vbpr.arms.mrdbi.alpha_kl=1"), "did you mean 'mrdib'?"),
    "arm's option": (
        set_("settings.vbpr.arms.mrdib.alpha_k=1"),
        "arm mrdib: option 'alpha_k' is unknown; did you mean 'alpha_kl'?",
    ),
    "control's option": (
        set_("settings.vbpr.arms.noise.stdd=1"),
        "arm noise: option 'stdd' is unknown; did you mean 'std'?",
    ),
    "bare has no options": (set_("settings.vbpr.arms.bare.alpha_kl=1"), "arm bare"),
    "arm's rate": (set_("settings.vbpr.arms.mrdib.learning_rate=0"), "more than 0"),
    "alpha": (["--alpha-kl", "-1"], "'alpha_kl': got -1, expected 0 or more"),
    "alpha's type": (["--alpha-kl", "abc"], "option 'alpha_kl': got 'abc', expected 0 or more"),
    "alpha of a modality": (
        ["--alpha-kl", "{text: -1}"],
        "'alpha_kl'['text']: got -1, expected 0 or more",
    ),
    "patience": (["--patience", "-1"], "patience: got -1, expected a whole number, 0 or more"),
    "epochs": (["--epochs", "1.5"], "settings.vbpr.trainer.epochs"),
    "rate": (["--learning-rate", "nan"], "learning_rate: got nan"),
    "seed": (["--seeds", "a"], "seeds[0]"),
    "no seed": (["--seeds", ","], "seeds: expected at least one"),
    "seed of the trainer": (set_("settings.vbpr.trainer.seed=3"), "set by --seeds"),
    "width": (["--embedding-dim", "0"], "embedding_dim: got 0"),
    "placement": (["--placement", "inlne"], "did you mean 'inline'?"),
    "monitor": (set_("settings.vbpr.trainer.monitor=recal@20"), "did you mean 'recall@20'?"),
    "device": (["--device", "cud"], "device: 'cud' is not available"),
    "loader": (["--loader", "neighbour"], "'neighbour', expected"),
    "fan-out": (["--num-neighbors", "5,0"], "num_neighbors: got [5, 0], expected"),
    "assignment": (["--set", "seeds"], "--set seeds: expected KEY=VALUE"),
    "no yaml": (["--set", "seeds=[1"], "not valid YAML"),
    "interpolation": (["--set", "root=${nothing}"], "'nothing' not found"),
    "no-kl without kl": (["--arms", "bare,no-kl"], "there is no term to leave out"),
    "modalities of a generator": (["--modalities", "text"], "leave --modalities out"),
    "split of a generator": (["--split", "given"], "leave --split out"),
    "no such file": (["--config", "none.yaml"], "none.yaml: cannot be read"),
    "nothing to resume": (["--resume", "none"], "there is no run"),
    "resume and config": (["--resume", "a", "--config", "b"], "leave --config out"),
    "resume and out": (["--resume", "a", "--out", "b"], "leave --out out"),
    "uri": (["--no-profile", "--tracking-uri", "folder"], "no folder store"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_mistake_ends_with_2_before_anything_is_read(
    case: str, job, tiny_flags, no_reading, tmp_path: Path
) -> None:
    flags, text = REFUSED[case]
    tiny = [f for f in tiny_flags if case != "uri" or f != "--no-mlflow"]
    done = job(*tiny, *VBPR, *([] if "resume" in case else ["--out", "new"]), *flags)
    assert (done.status, done.out) == (2, "")
    assert text in done.err and done.err.startswith("error: ")
    assert done.err.count("\n") == 1 and "Traceback" not in done.err
    assert not list((tmp_path / "here").iterdir())


def test_a_backbone_without_modalities_needs_bare(tiny_job, tmp_path: Path) -> None:
    done = tiny_job("--backbone", "lightgcn", "--arms", "mrdib", "--out", "new")
    assert done.status == 2
    assert "none of mrdib can be run on lightgcn; add bare" in done.err
    assert not Path("new").exists()


def test_a_value_that_the_backbone_refuses(tiny_job) -> None:
    done = tiny_job("--backbone", "lattice", *set_("settings.lattice.options.k=-1"), "--out", "new")
    assert (done.status, done.err) == (
        2,
        "error: backbone lattice: option 'k': got -1, expected a whole number, 1 or more\n",
    )
    assert not Path("new").exists()


@pytest.mark.parametrize("debug", [False, True])
def test_anything_else_ends_with_1(tiny_job, monkeypatch: pytest.MonkeyPatch, debug: bool) -> None:
    def fail(*arguments: object, **keywords: object) -> None:
        raise RuntimeError("the first line\nthe second line")

    monkeypatch.setattr(Experiment, "run", fail)
    done = tiny_job(*VBPR, *(["--debug"] if debug else []))
    assert done.status == 1
    last = done.err.splitlines()[-1]
    assert last == "error: RuntimeError: the first line the second line (--debug shows where)"
    assert ("Traceback" in done.err) is debug and (debug or done.err.count("\n") == 1)


def test_debug_keeps_the_exit_status(tiny_job) -> None:
    done = tiny_job("--backbone", "vpbr", "--debug")
    assert done.status == 2 and "Traceback" in done.err and "did you mean 'vbpr'?" in done.err


def test_a_loss_that_is_not_finite_ends_with_1(tiny_job) -> None:
    done = tiny_job(*VBPR, "--arms", "bare", "--learning-rate", "1e30", "--out", "new")
    assert done.status == 1 and done.err.count("\n") == 1 and "learning rate" in done.err


def snapshot(folder: Path) -> dict[str, tuple[bytes, int]]:
    files = (p for p in folder.rglob("*") if p.is_file())
    return {str(p): (p.read_bytes(), p.stat().st_mtime_ns) for p in files}


def test_a_folder_that_holds_something_is_refused_and_stays(job, tiny_flags) -> None:
    folder = Path("mine")
    (folder / "inner").mkdir(parents=True)
    (folder / "inner" / "notes.txt").write_text("my own")
    before = snapshot(folder)
    flags = [f for f in tiny_flags if f != "--no-mlflow"]
    done = job(*flags, *VBPR, "--out", folder)
    assert done.status == 2 and "the folder is not empty" in done.err
    assert f"--resume {folder.absolute()}" in done.err
    assert snapshot(folder) == before and sorted(p.name for p in folder.iterdir()) == ["inner"]


def test_an_out_that_is_a_file_or_cannot_be_made(tiny_job) -> None:
    Path("file").write_text("my own")
    done = tiny_job(*VBPR, "--out", "file")
    assert done.status == 2 and "expected a folder" in done.err
    done = tiny_job(*VBPR, "--out", "file/inside")
    assert done.status == 3 and "cannot be written" in done.err
    assert Path("file").read_text() == "my own"


def test_the_default_folder_says_when_what_and_with_what(tiny_job) -> None:
    flags = (*VBPR, "--arms", "bare", "--epochs", "1")
    done = tiny_job(*flags)
    assert done.status == 0, done.err
    [folder] = Path("runs").iterdir()
    time, dataset, backbone = folder.name.rsplit("-", 2)
    assert (dataset, backbone) == ("planted", "vbpr") and len(time) == len("20260101-120000")
    assert f"Everything is in {folder.absolute()}" in done.out
    assert (folder / "results.json").is_file()


def test_print_config_shows_what_would_run_and_starts_nothing(job, tiny_flags, no_reading) -> None:
    done = job(
        *tiny_flags, "--backbone", "vbpr,lattice", "--learning-rate", "1e-3", "--print-config"
    )
    assert (done.status, done.err) == (0, "")
    Path("printed.yaml").write_text(done.out)
    run = configuration.resolve([], Path("printed.yaml"))
    assert configuration.dump(run) == done.out
    assert {s.trainer.learning_rate for s in run.settings.values()} == {1e-3}
    assert set(run.settings) == {"vbpr", "lattice"}
    stored = configuration.resolve([("backbone", ["vbpr"])], None, SETTINGS)
    assert run.settings["vbpr"].options == stored.settings["vbpr"].options != {}
    assert [p.name for p in Path().iterdir()] == ["printed.yaml"]


def test_flags_win_over_the_file_and_set_over_flags(job, no_reading) -> None:
    Path("run.yaml").write_text(
        "backbone: [vbpr]\nsettings: {vbpr: {trainer: {epochs: 7, batch_size: 32, patience: 9}}}\n"
    )
    flags = ["--config", "run.yaml", "--print-config", "--epochs", "5", "--batch-size", "16"]
    done = job(*flags, *set_("settings.vbpr.trainer.epochs=3"))
    Path("printed.yaml").write_text(done.out)
    trainer = configuration.resolve([], Path("printed.yaml")).settings["vbpr"].trainer
    assert (trainer.epochs, trainer.batch_size, trainer.patience) == (3, 16, 9)
    stored = configuration.resolve([("backbone", ["vbpr"])], None, SETTINGS)
    assert trainer.learning_rate == stored.settings["vbpr"].trainer.learning_rate != 1e-3


def test_every_backbone_by_all(job, no_reading) -> None:
    done = job("--backbone", "all", "--print-config")
    Path("printed.yaml").write_text(done.out)
    names = configuration.resolve([], Path("printed.yaml")).backbone
    assert names == sorted(names) and {"lattice", "lightgcn", "vbpr"} <= set(names)


def process(*flags: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(DOOR), *(str(f) for f in flags)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run(command, capture_output=True, text=True, env=environment)


def test_as_a_program() -> None:
    done = process("--help")
    assert done.returncode == 0 and "--backbone" in done.stdout and not done.stderr
    done = process("--sedes", "1")
    assert done.returncode == 2 and not done.stdout
    line = "error: unknown flag --sedes; did you mean '--seeds'? See mrdib-graph run --help\n"
    assert done.stderr == line
