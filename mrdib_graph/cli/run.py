"""``mrdib-graph run``: train backbones with several arms, compare them, write everything down.

mrdib-graph run --backbone lattice
mrdib-graph run --backbone vbpr,lattice --dataset lastfm2k --root ../shared/data
mrdib-graph run --backbone vbpr --tune 20
torchrun --nproc-per-node 2 -m mrdib_graph run --backbone lightgcn --loader neighbor
"""

from __future__ import annotations

import argparse
import importlib.resources
import logging
import os
import shlex
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from mrdib_graph.cli import run_flags
from mrdib_graph.cli.parser import Parser, name_list
from mrdib_graph.errors import ConfigError
from mrdib_graph.experiment import config as configuration
from mrdib_graph.experiment.config import RunConfig
from mrdib_graph.tuning import TuneConfig

if TYPE_CHECKING:
    from mrdib_graph.experiment import Experiment, Outputs

SETTINGS = Path(str(importlib.resources.files("mrdib_graph") / "settings"))
"""Folder of the stored settings and of the search space."""


def build_parser() -> Parser:
    """A parser with the flags of :func:`read_config` alone, which scripts add theirs to."""
    parser = Parser()
    run_flags.add_config_flags(parser)
    return parser


def add_flags(parser: argparse.ArgumentParser) -> None:
    """The flags of the command."""
    run_flags.add_config_flags(parser)
    group = parser.add_argument_group("this run")
    group.add_argument("--print-config", action="store_true", help="Show what would run, and stop.")
    group.add_argument("--resume", type=Path, metavar="DIR", help="Continue the run in a folder.")
    group = parser.add_argument_group("search: settings chosen on validation, before the run")
    group.add_argument("--tune", metavar="N", help="N trials for each arm.")
    group.add_argument(
        "--tune-seeds", metavar="N,N", help="Training seeds of a trial. Default 100."
    )
    group.add_argument("--tune-space", metavar="FILE", help="What is tried (YAML).")
    group.add_argument(
        "--tune-storage", metavar="URL", help="Database or file that processes share."
    )
    group.add_argument("--tune-only", action="store_true", help="Stop after the trials.")
    parser.epilog = (
        "Settings of a backbone that are stored for a data set win over these defaults; they and "
        f"the search space lie in {SETTINGS}."
    )


def read_tuning(arguments: argparse.Namespace) -> TuneConfig | None:
    """The search that the flags ask for.

    Raises:
        ConfigError: A value out of range, or a flag of the search without ``--tune``.
    """
    if arguments.tune is None:
        for name in ("tune_seeds", "tune_space", "tune_storage", "tune_only"):
            if getattr(arguments, name):
                raise ConfigError(f"--{name.replace('_', '-')}: it needs --tune N")
        return None
    if arguments.resume is not None:
        raise ConfigError(
            "--resume goes on with the settings that were chosen; leave --tune out, or go on with "
            "the search by the first command with --out"
        )
    return TuneConfig(
        trials=configuration.parse_value(arguments.tune),
        space=Path(arguments.tune_space or SETTINGS / "search_space.yaml"),
        seeds=tuple(map(configuration.parse_value, name_list(arguments.tune_seeds or "100"))),
        storage=arguments.tune_storage,
    )


def read_config(arguments: argparse.Namespace) -> RunConfig:
    """The configuration that the flags ask for, over the stored settings.

    Raises:
        ConfigError: An unknown key, a wrong type or a value out of range.
    """
    return run_flags.read_config(arguments, SETTINGS)


def read_resume(arguments: argparse.Namespace) -> Path | None:
    """The folder of the run to continue, whose configuration is the one to read.

    Raises:
        ConfigError: There is no run, or a flag does not go with it.
    """
    resume: Path | None = arguments.resume
    if resume is not None:
        if arguments.config is not None:
            raise ConfigError("--resume has its own configuration; leave --config out")
        if arguments.out is not None:
            raise ConfigError("--resume goes on in its own folder; leave --out out")
        arguments.config = resume / "config.yaml"
        if not arguments.config.is_file():
            raise ConfigError(f"--resume {resume}: there is no run (no config.yaml in it)")
    return resume


def command(arguments: argparse.Namespace) -> list[str]:
    """Run what the flags ask for, in each of the processes that ``torchrun`` started."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s: %(message)s")
    if int(os.environ.get("RANK", "0")):  # the first process says what all of them would
        logging.disable(logging.WARNING)
        warnings.simplefilter("ignore")
    from mrdib_graph.distributed import processes

    with processes():
        return _run(arguments)


def _run(arguments: argparse.Namespace) -> list[str]:
    resume = read_resume(arguments)
    config = read_config(arguments)
    how = read_tuning(arguments)
    from mrdib_graph import distributed
    from mrdib_graph.experiment import Experiment, Outputs
    from mrdib_graph.experiment.outputs import default_folder
    from mrdib_graph.tracking import Tracker

    if how is not None and distributed.size() > 1:
        raise ConfigError("--tune: start it without torchrun, several times with --tune-storage")
    first = distributed.rank() == 0
    with distributed.first_goes_first():
        experiment = Experiment(config, Tracker(), print if first else lambda _: None)
    if arguments.print_config:
        print(configuration.dump(config) if first else "", end="")
        return []
    if not first:
        experiment.follow(None if resume is None else Outputs(resume, resume=True))
        return []
    folder = resume or Path(config.out or default_folder(config))
    outputs = Outputs(folder, resume=resume is not None, tuned=how is not None)
    _train(experiment, outputs, how, arguments.tune_only)
    lines = ["", f"Everything is in {outputs.folder}"]
    if config.mlflow and config.tracking_uri is None:
        lines.append(f"Browse it:  mrdib-graph ui --runs {shlex.quote(str(outputs.folder))}")
    elif config.mlflow:
        lines.append(f"Browse it at  {config.tracking_uri}")
    return lines


def _train(
    experiment: Experiment, outputs: Outputs, how: TuneConfig | None, tune_only: bool
) -> None:
    """Search where it is asked for, then train, and say after Ctrl-C how to go on."""
    from mrdib_graph import distributed
    from mrdib_graph.experiment import Experiment, tune
    from mrdib_graph.tracking import MLflowTracker, Tracker, local_uri

    config, folder, tracker = experiment.config, outputs.folder, Tracker()
    if config.mlflow:
        uri = config.tracking_uri or local_uri(folder)
        tracker = MLflowTracker(uri, f"mrdib/{experiment.dataset.name}", outbox=outputs.outbox)
        experiment.tracker = tracker
    try:
        if how is not None:
            chosen = tune(experiment, how, outputs.tuning, f"{folder.name}-tuning")
            dataset = experiment.dataset  # read already
            experiment = Experiment(chosen, tracker)
            experiment.dataset = dataset
        if not tune_only:
            experiment.run(outputs, outputs.resume)
    except KeyboardInterrupt as stop:
        again = f"Continue with:  {continue_line(folder, distributed.size())}"
        if not outputs.config.is_file():
            by_out = f"Continue by the same command with --out {shlex.quote(str(folder))}"
            again = by_out if outputs.tuning.is_dir() else ""
        raise KeyboardInterrupt(f"\nInterrupted. {again}".rstrip()) from stop
    finally:
        tracker.close()


def continue_line(folder: Path, processes: int = 1) -> str:
    """The command that continues a run."""
    many = f"torchrun --nproc-per-node {processes} -m mrdib_graph run"
    start = "mrdib-graph run" if processes == 1 else many
    return f"{start} --resume {shlex.quote(str(folder))}"
