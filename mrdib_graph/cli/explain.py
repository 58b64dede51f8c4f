"""``mrdib-graph explain``: what each modality and the collaborative part add to a score."""

from __future__ import annotations

import argparse
import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mrdib_graph.errors import DataError

if TYPE_CHECKING:
    from mrdib_graph.explanation import Explanation
    from mrdib_graph.serving import Bundle


def add_flags(parser: argparse.ArgumentParser) -> None:
    """The flags of the command."""
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--run", type=Path, metavar="DIR", help="output folder of a finished run")
    where.add_argument(
        "--bundle", type=Path, metavar="DIR", help="the bundle in it, as in `recommend`"
    )
    parser.add_argument("--user", required=True, metavar="ID", help="id of the user")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--item", metavar="ID", help="id of the item")
    what.add_argument("--top", type=int, metavar="K", help="explain the K best unseen items")
    parser.add_argument(
        "--arm", metavar="NAME", help="such as vbpr-bare; default the arm of the bundle"
    )
    parser.add_argument("--seed", type=int, metavar="N", help="default the arm's best seed")
    parser.add_argument("--root", metavar="DIR", help="where data sets lie; default as in the run")
    parser.add_argument("--device", default="auto", metavar="X", help="auto, cpu, cuda")
    parser.add_argument(
        "--permutations", type=int, metavar="N", help="sample N orders, for over six modalities"
    )
    parser.add_argument("--format", choices=("table", "json"), default="table")


def command(args: argparse.Namespace) -> list[str]:
    """The lines that the command prints, ids and names as they are.

    Raises:
        ConfigError: An unknown user, item, arm or seed, or K out of range.
        DataError: The folder holds no finished run, or its data are not there any more.
        CheckpointError: The weights are missing or damaged.
    """
    import torch

    from mrdib_graph.experiment import SavedRun
    from mrdib_graph.explanation import COLLABORATIVE, explain, explain_best, players_of

    folder = args.run if args.bundle is None else _run_of(args.bundle)
    saved = SavedRun(folder, args.root)
    run, bundle = saved.restore(args.arm, args.seed, args.device), saved.bundle
    user = bundle.users.row(args.user)
    options: dict[str, Any] = {"permutations": args.permutations}
    if args.permutations is not None:
        options["generator"] = torch.Generator().manual_seed(0)
    options["players"] = players = players_of(run.recommender, run.data)
    if args.item is None:
        found = explain_best(run.recommender, run.data, [user], args.top, **options)
    else:
        item = bundle.items.row(args.item)
        found = explain(run.recommender, run.data, [user], [item], **options)
    if args.format == "json":
        source = {"arm": run.arm.label, "seed": run.seed}
        records = [_record(bundle, e) | source for e in found]
        return json.dumps(records, indent=2).splitlines()
    lines = [f"{run.arm.label}, seed {run.seed}, on {saved.dataset.name}"]
    for e in found:
        lines += ["", _title(bundle, e), "", *e.table().splitlines()]
    lines += ["", "base: the user's score where every item row is the mean over items"]
    rows = players.get(COLLABORATIVE)
    return lines + ([f"{COLLABORATIVE}: the item rows {', '.join(rows)}"] if rows else [])


def _run_of(bundle: Path) -> Path:
    folder = bundle.absolute().parent
    if not bundle.is_dir():
        raise DataError(f"{bundle}: there is no such folder; expected a run's bundle")
    if not (folder / "config.yaml").is_file():
        raise DataError(
            f"{bundle}: there is no run around this bundle (no {folder / 'config.yaml'}). A bundle "
            "holds fused tables, which cannot be taken apart; give the run's folder with --run"
        )
    return folder


def _title(bundle: Bundle, e: Explanation) -> str:
    user, item = bundle.users.ids[e.user], bundle.items.ids[e.item]
    name = "" if bundle.item_names is None else f" ({bundle.item_names[e.item]})"
    place = f"rank {e.rank} of {e.num_unseen} unseen items"
    if e.seen:
        place = f"in the user's training items; would be at rank {e.rank} among the unseen"
    return f"user {user}, item {item}{name}: score {e.score:.4f}, {place}"


def _record(bundle: Bundle, e: Explanation) -> dict[str, Any]:
    names = bundle.item_names
    return {
        **dataclasses.asdict(e),
        "user": bundle.users.ids[e.user],
        "item": bundle.items.ids[e.item],
        "name": None if names is None else names[e.item],
    }
