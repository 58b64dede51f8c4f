import dataclasses
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

from mrdib_graph.cli import main
from mrdib_graph.cli.run import SETTINGS, build_parser, read_config
from mrdib_graph.cli.run_flags import _METHOD, argument_help
from mrdib_graph.experiment.config import RunConfig
from mrdib_graph.mrdib import MRdIB
from mrdib_graph.training import TrainerConfig


def config_of(*flags: str) -> RunConfig:
    return read_config(build_parser().parse_args(flags))


def test_the_help_has_the_words_defaults_and_choices_of_the_classes() -> None:
    text = " ".join(build_parser().format_help().split())
    assert "--patience N" in text and argument_help(TrainerConfig)["patience"] in text
    assert f"Default {TrainerConfig().batch_size}." in text
    assert (
        "--loader {full,neighbor}" in text and "--seeds N,N Training seeds. Default 0,1,2." in text
    )
    assert "--schedule {none,cosine,linear}" in text and "--average {none,ema,swa}" in text
    assert (
        "--autocast {none,bfloat16}" in text and "--optimizer NAME A class of torch.optim" in text
    )
    assert "--callbacks NAME,NAME Code of your own" in text and "Default ." not in text
    assert "bm3, dragon, dualgnn" in text and "club, gaussian" in text
    assert "what to run:" in text and "data:" in text and "output:" in text


def test_every_argument_of_a_configuration_is_described() -> None:
    for cls in (RunConfig, TrainerConfig):
        assert set(argument_help(cls)) == {field.name for field in dataclasses.fields(cls)}


def test_flags_of_the_method_are_options_of_mrdib() -> None:
    assert set(_METHOD) <= set(inspect.signature(MRdIB).parameters)


@pytest.mark.parametrize(
    ("flags", "value"),
    [
        ("--backbone vbpr,lattice", lambda c: c.backbone == ["vbpr", "lattice"]),
        ("--objective bare", lambda c: c.arms == ["bare"]),
        ("--seeds 3,4", lambda c: c.seeds == [3, 4]),
        ("--baselines none --no-profile --no-mlflow --quiet", lambda c: (
            c.baselines == [] and (c.profile, c.mlflow, c.quiet) == (False, False, True))),
        ("--dataset 1 --split-seed 5", lambda c: (c.dataset, c.split_seed) == ("1", 5)),
        ("--epochs 7 --num-neighbors 5,-1", lambda c: (
            c.settings["lattice"].trainer.epochs == 7
            and c.settings["lattice"].trainer.num_neighbors == [5, -1])),
        ("--optimizer adamw --schedule cosine --warmup-epochs 2 --clip-norm 0.5", lambda c: (
            (t := c.settings["lattice"].trainer).optimizer == "adamw"
            and (t.schedule, t.warmup_epochs, t.clip_norm) == ("cosine", 2, 0.5))),
        ("--average ema --autocast bfloat16 --callbacks a.py:A,b.py:B", lambda c: (
            (t := c.settings["lattice"].trainer).average == "ema"
            and (t.autocast, t.callbacks) == ("bfloat16", ["a.py:A", "b.py:B"]))),
        ("--set settings.lattice.trainer.optimizer_options.momentum=0.9", lambda c: (
            c.settings["lattice"].trainer.optimizer_options == {"momentum": 0.9})),
        ("--loss mine.py:Hinge", lambda c: c.settings["lattice"].loss == "mine.py:Hinge"),
        ("--alpha-kl 1e-3", lambda c: c.settings["lattice"].arms["mrdib"]["alpha_kl"] == 1e-3),
    ],
)  # fmt: skip
def test_a_flag_becomes_its_key(flags: str, value) -> None:
    assert value(config_of(*flags.split()))


def test_a_choice_that_is_none_names_the_nearest(capsys) -> None:
    assert main(["run", "--loader", "neighbour"]) == 2
    err = capsys.readouterr().err
    assert err.startswith("error: --loader: got 'neighbour', expected full, neighbor; did you mean")


def test_the_help_imports_no_torch() -> None:
    code = (
        "import sys\nfrom mrdib_graph.cli import build_parser\n"
        "try: build_parser().parse_args(['run', '--help'])\n"
        "except SystemExit: print('torch' in sys.modules, 'mlflow' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "False False"


def test_the_settings_are_in_the_package() -> None:
    assert SETTINGS.parent.name == "mrdib_graph" and (SETTINGS / "search_space.yaml").is_file()
    assert (Path(SETTINGS) / "planted" / "lattice.yaml").is_file()


@pytest.mark.parametrize("shell", ["bash", "zsh", "tcsh"])
def test_completion_knows_commands_flags_and_names(capsys, shell: str) -> None:
    assert main(["completion", shell]) == 0
    out = capsys.readouterr().out
    assert all(word in out for word in ("recommend", "batch-size", "lightgcn"))
