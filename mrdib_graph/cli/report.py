"""``mrdib-graph report``: pictures of finished runs, and a page with them.

mrdib-graph report runs/mine
mrdib-graph report runs/a runs/b --out runs/both --trials grid.csv
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

from mrdib_graph.errors import ConfigError, DataError


def add_flags(parser: argparse.ArgumentParser) -> None:
    """The flags of the command."""
    parser.add_argument(
        "runs", type=Path, nargs="+", metavar="RUN", help="folder of a finished run"
    )
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="folder of the page; default RUN/gallery"
    )
    parser.add_argument("--metric", metavar="NAME", help="default that of the run's own table")
    parser.add_argument(
        "--trials", type=Path, metavar="FILE", help="table of trials (CSV) in place of the run's"
    )
    parser.add_argument("--root", metavar="DIR", help="where the data set is now")
    parser.add_argument("--no-codes", action="store_true", help="skip the maps, which read data")
    parser.add_argument(
        "--tracking-uri", metavar="URI", help="MLflow address, whose runs the pictures join"
    )


def command(args: argparse.Namespace) -> Iterator[str]:
    """Draw and write the page, and say what could not be drawn and where everything is."""
    from mrdib_graph.experiment import SavedRun
    from mrdib_graph.experiment.gallery import draw_page
    from mrdib_graph.experiment.report import MAIN_METRIC
    from mrdib_graph.tuning import read_trials

    runs, metric = [SavedRun(folder, args.root) for folder in args.runs], args.metric
    for run in runs:
        known = list(run.results["arms"][0]["mean"])
        if metric is not None and metric not in known:
            raise ConfigError(f"--metric {metric}: expected one of {', '.join(known)}")
    if len(runs) > 1 and args.out is None:
        raise ConfigError("--out: name a folder for the page of several runs")
    trials = None if args.trials is None else read_trials(args.trials)
    out = (args.out or runs[0].folder / "gallery").absolute()
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"--out {out}: cannot be written: {error}") from error
    sections = draw_page(runs, out, metric or MAIN_METRIC, trials, not args.no_codes)
    for run, section in zip(runs, sections[-len(runs) :], strict=True):
        yield from (f"{run.folder.name}: not drawn: {text}" for text in section.left_out)
    yield f"{sum(len(s.pictures) for s in sections)} pictures in {out / 'index.html'}"
    if args.tracking_uri is not None:
        from mrdib_graph.tracking.attach import attach_files

        for run, section in zip(runs, sections[-len(runs) :], strict=True):
            data, name = run.results["dataset"], run.folder.name
            where = (args.tracking_uri, f"mrdib/{data['name']}", name)
            logged = attach_files(*where, section.files, "gallery", data["digest"])
            yield f"{name}: logged to the run {logged}, folder gallery"
