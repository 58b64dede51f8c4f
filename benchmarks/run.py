"""The main job: train backbones with several arms, compare them, write everything down.

    python benchmarks/run.py --backbone lattice
    python benchmarks/run.py --backbone vbpr,lattice --dataset lastfm2k --root ../shared/data
    python benchmarks/run.py --backbone vbpr --tune 20
    torchrun --nproc-per-node 2 benchmarks/run.py --backbone lightgcn --loader neighbor

Exit status: 0 done, 2 wrong flag or setting, 3 bad data, 130 interrupted, 1 anything else.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
import traceback
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from mrdib_graph.errors import ConfigError, MRdIBError, suggest
from mrdib_graph.experiment import config as configuration
from mrdib_graph.experiment.config import RunConfig
from mrdib_graph.tuning import TuneConfig

CONFIGS = Path(__file__).parent / "configs"

# Flag, key of RunConfig, kind of value, help
_RUN_FLAGS: tuple[tuple[str, str, str, str], ...] = (
    ("--backbone", "backbone", "names", "name, comma list, 'all', or file.py:Class"),
    ("--dataset", "dataset", "text", "name, or a folder with <name>.inter and *_feat.npy"),
    ("--root", "root", "text", "folder that data sets live in"),
    ("--arms", "arms", "names", "arms, comma list: bare, mrdib, paper, controls ..."),
    ("--split", "split", "text", "split rule, or 'given'"),
    ("--split-seed", "split_seed", "value", "seed of the split rule"),
    ("--modalities", "modalities", "names", "which modalities, comma list; default all"),
    ("--seeds", "seeds", "values", "training seeds, comma list"),
    ("--baselines", "baselines", "names", "closed-form baselines shown beside, or 'none'"),
    ("--out", "out", "text", "output folder; default runs/<time>-<dataset>-<backbone>"),
    ("--tracking-uri", "tracking_uri", "text", "MLflow address; default a database in --out"),
)

# Flag, key of Settings (of every backbone in the command), kind, help
_SETTINGS_FLAGS: tuple[tuple[str, str, str, str], ...] = (
    ("--epochs", "trainer.epochs", "value", "epochs at most"),
    ("--patience", "trainer.patience", "value", "evaluations without improvement before stopping"),
    ("--batch-size", "trainer.batch_size", "value", "interactions per step"),
    ("--learning-rate", "trainer.learning_rate", "value", "Adam's rate at the first epoch"),
    ("--device", "trainer.device", "text", "auto, cpu, cuda"),
    ("--loader", "trainer.loader", "text", "full, or neighbor: train on sampled subgraphs"),
    ("--num-neighbors", "trainer.num_neighbors", "values", "of neighbor: fan-out of each hop"),
    ("--embedding-dim", "embedding_dim", "value", "width of the embeddings"),
    ("--placement", "placement", "text", "inline or auxiliary"),
    ("--estimator", "arms.mrdib.estimator", "text", "mutual-information estimator"),
    ("--alpha-kl", "arms.mrdib.alpha_kl", "value", "weight of the kl term"),
    ("--alpha-redundancy", "arms.mrdib.alpha_redundancy", "value", "of the redundancy term"),
    ("--alpha-unique", "arms.mrdib.alpha_unique", "value", "of the unique term"),
)


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        unknown = message.removeprefix("unrecognized arguments: ")
        if unknown != message:
            flag = unknown.split()[0].partition("=")[0]
            known = [s for action in self._actions for s in action.option_strings]
            message = f"unknown flag {flag}{suggest(flag, known) or '.'} See --help"
        raise ConfigError(message)


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = _Parser(
        prog="run.py",
        description=(__doc__ or "").partition("\n")[0],
        allow_abbrev=False,
    )
    for flag, _, _, text in (*_RUN_FLAGS, *_SETTINGS_FLAGS):
        other = ["--objective"] if flag == "--arms" else []
        parser.add_argument(flag, *other, metavar="X", help=text)
    parser.add_argument(
        "--weighting", choices=["fixed", "uncertainty", "dwa"], help="of the terms; default fixed"
    )
    parser.add_argument("--no-profile", action="store_true", help="skip the information profile")
    parser.add_argument("--no-mlflow", action="store_true", help="do not tell MLflow")
    parser.add_argument("--quiet", action="store_true", help="show no progress")
    parser.add_argument("--config", type=Path, metavar="FILE", help="settings file (YAML)")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="A.B=C",
        help="any key, for example settings.vbpr.reg_fused=0.05 or dataset_options.seed=3",
    )
    return parser


def add_main_flags(parser: argparse.ArgumentParser) -> None:
    """The flags of the main job alone, which other commands that read the flags lack."""
    parser.add_argument("--print-config", action="store_true", help="show what would run, and stop")
    parser.add_argument("--resume", type=Path, metavar="DIR", help="continue the run in a folder")
    parser.add_argument("--debug", action="store_true", help="show tracebacks")
    group = parser.add_argument_group("settings chosen on validation, before the run")
    group.add_argument("--tune", metavar="N", help="N trials for each arm")
    group.add_argument("--tune-seeds", metavar="X", help="training seeds of a trial; default 100")
    group.add_argument("--tune-space", metavar="FILE", help="what is tried (YAML)")
    group.add_argument(
        "--tune-storage", metavar="URL", help="database or file that processes share"
    )
    group.add_argument("--tune-only", action="store_true", help="stop after the trials")


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
        trials=_value(arguments.tune, "value"),
        space=Path(arguments.tune_space or CONFIGS / "search_space.yaml"),
        seeds=tuple(_value(arguments.tune_seeds or "100", "values")),
        storage=arguments.tune_storage,
    )


def read_config(arguments: argparse.Namespace) -> RunConfig:
    """The configuration that the flags ask for.

    Raises:
        ConfigError: An unknown key, a wrong type or a value out of range.
    """
    given = vars(arguments)
    flags: list[tuple[str, Any]] = []
    for flag, key, kind, _ in _RUN_FLAGS:
        text = given[flag.removeprefix("--").replace("-", "_")]
        if text is not None:
            flags.append((key, _value(text, kind)))
    for flag, key in (("no_mlflow", "mlflow"), ("no_profile", "profile")):
        if given[flag]:
            flags.append((key, False))
    if given["quiet"]:
        flags.append(("quiet", True))
    assignments: list[tuple[str, Any]] = []
    for assignment in given["set"]:
        key, equals, text = assignment.partition("=")
        if not equals:
            raise ConfigError(f"--set {assignment}: expected KEY=VALUE")
        assignments.append((key, configuration.parse_value(text)))
    flags = [(key, _names_of_all(key, value)) for key, value in flags]
    assignments = [(key, _names_of_all(key, value)) for key, value in assignments]
    shared = [
        (key, _value(text, kind))
        for flag, key, kind, _ in _SETTINGS_FLAGS
        if (text := given[flag.removeprefix("--").replace("-", "_")]) is not None
    ]
    if given["weighting"] is not None:
        shared.append(("arms.mrdib.weighting", given["weighting"]))
    return configuration.resolve(flags, arguments.config, CONFIGS, shared, assignments)


def _value(text: str, kind: str) -> Any:
    if kind == "text":
        return text
    if kind == "value":
        return configuration.parse_value(text)
    parts = [part.strip() for part in text.split(",") if part.strip()]
    return [configuration.parse_value(p) for p in parts] if kind == "values" else parts


def _names_of_all(key: str, value: Any) -> Any:
    if key == "baselines" and value == ["none"]:
        return []
    if key == "backbone" and value == ["all"]:
        from mrdib_graph import backbones, resolver

        return sorted(resolver.choices(backbones, backbones.Backbone))
    return value


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


def run(arguments: argparse.Namespace) -> None:
    """Run what the flags ask for."""
    resume = read_resume(arguments)
    config = read_config(arguments)
    how = read_tuning(arguments)
    from mrdib_graph import distributed
    from mrdib_graph.experiment import Experiment, Outputs, tune
    from mrdib_graph.experiment.outputs import default_folder
    from mrdib_graph.tracking import MLflowTracker, Tracker, local_uri

    if how is not None and distributed.size() > 1:
        raise ConfigError("--tune: start it without torchrun, several times with --tune-storage")
    tracker = Tracker()
    first = distributed.rank() == 0
    with distributed.first_goes_first():
        experiment = Experiment(config, tracker, print if first else lambda _: None)
    if arguments.print_config:
        print(configuration.dump(config) if first else "", end="")
        return
    if not first:
        experiment.follow(None if resume is None else Outputs(resume, resume=True))
        return
    folder = resume or Path(config.out or default_folder(config))
    outputs = Outputs(folder, resume=resume is not None, tuned=how is not None)
    if config.mlflow:
        uri = config.tracking_uri or local_uri(outputs.folder)
        tracker = MLflowTracker(uri, f"mrdib/{experiment.dataset.name}", outbox=outputs.outbox)
        experiment.tracker = tracker
    try:
        if how is not None:
            chosen = tune(experiment, how, outputs.tuning, f"{folder.name}-tuning")
            dataset = experiment.dataset  # read already
            experiment = Experiment(chosen, tracker)
            experiment.dataset = dataset
        if not arguments.tune_only:
            experiment.run(outputs, resume=resume is not None)
    except KeyboardInterrupt:
        line = continue_line(folder, distributed.size())
        again = f"Continue with:  {line}" if outputs.config.is_file() else ""
        if outputs.tuning.is_dir():
            again = again or f"Continue by the same command with --out {folder}"
        print(f"\nInterrupted. {again}", file=sys.stderr)
        raise
    finally:
        tracker.close()
    print(f"\nEverything is in {outputs.folder}")
    if config.mlflow:
        where = f"--backend-store-uri {uri}" if config.tracking_uri is None else ""
        print(f"Browse it:  mlflow ui {where}" if where else f"Browse it at  {uri}")


def continue_line(folder: Path, processes: int = 1) -> str:
    """The command that continues a run."""
    start = "python" if processes == 1 else f"torchrun --nproc-per-node {processes}"
    return f"{start} benchmarks/run.py --resume {folder}"


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point; the exit status."""
    arguments = None
    process = int(os.environ.get("RANK", "0"))
    who = f"error in process {process}" if process else "error"
    try:
        parser = build_parser()
        add_main_flags(parser)
        arguments = parser.parse_args(argv)
        logging.basicConfig(level=logging.WARNING, format="%(levelname)s: %(message)s")
        if process:  # the first process says what all of them would
            logging.disable(logging.WARNING)
            warnings.simplefilter("ignore")
        from mrdib_graph.distributed import processes

        with processes():
            run(arguments)
    except KeyboardInterrupt:
        return 130
    except Exception as error:
        if arguments is not None and arguments.debug:
            traceback.print_exc()
        text = " ".join(str(error).split())
        if isinstance(error, MRdIBError):
            print(f"{who}: {text}", file=sys.stderr)
            return error.exit_status
        print(f"{who}: {type(error).__name__}: {text} (--debug shows where)", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
