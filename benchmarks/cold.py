"""Cold items: new ones among themselves, among all items, and what it costs the others.

    python benchmarks/cold.py --backbone vbpr --arms bare,mrdib,id-dropout,content-loss \
        --split-seeds 1,2,3,4,5 --out cold.json

Each split seed draws cold items, whose interactions are all held out, half of the items for
validation and half for test, and splits the other items' interactions user by user; on ``planted``
it makes a new data set first.  Every arm is trained once on it, with that number as training seed
and its epoch chosen on the whole validation split.  Then the test ranks the cold items among
themselves, the cold items among all, and the warm ones among all.  The test is paired over split
seeds, for the users of one split share few cold items.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from torch import Tensor
from torch_geometric.data import HeteroData

sys.path.insert(0, str(Path(__file__).parent))

from over_data import METRICS, with_data_seed
from paired import paired_table
from script import seeds_of, start, write_json

from mrdib_graph import graph
from mrdib_graph.baselines import ContentCosine
from mrdib_graph.cli import run as main_job
from mrdib_graph.evaluation import Evaluator, MetricResult, cold_items, slice_metrics
from mrdib_graph.experiment import build_arms, open_dataset, possible_arms, train_arms
from mrdib_graph.experiment.config import RunConfig
from mrdib_graph.experiment.fit_baselines import fit_baseline
from mrdib_graph.experiment.report import MAIN_METRIC
from mrdib_graph.transforms import SplitInteractions
from mrdib_graph.typing import Metrics

Rank = Callable[[Tensor | None], MetricResult]
"""Candidates (None: all items) to the result of a recommender."""

COLD, AMONG_ALL, WARM = "cold among cold", "cold among all", "warm among all"
RANKINGS = {
    COLD: "cold items ranked among the cold items of this part of the split",
    AMONG_ALL: "cold items ranked among all items",
    WARM: "warm items ranked among all items",
}
ONLY = " content-only"


def measure(rank: Rank, cold: Tensor) -> Metrics:
    """The metrics of all rankings, named ``'<ranking> recall@20'`` and so on."""
    full = rank(None)
    results = {COLD: rank(cold), AMONG_ALL: slice_metrics(full, items=cold)}
    if bool((~cold)[full.positives[1]].any()):
        results[WARM] = slice_metrics(full, items=~cold)
    return {f"{name} {m}": r.mean[m] for name, r in results.items() for m in METRICS}


def untrained(
    config: RunConfig, data: HeteroData, evaluator: Evaluator, cold: Tensor, part: str
) -> dict[str, Metrics]:
    """The closed-form baselines that were asked for, and the cosines of raw content."""
    scores = {}
    for name in config.baselines:
        fitted = fit_baseline(name, data, evaluator, MAIN_METRIC)
        if fitted is not None:
            scores[f"{name} closed-form"] = fitted[0].score
    modalities = graph.modalities(data)
    chosen = {f"{m}-cosine": [m] for m in modalities}
    if len(modalities) > 1:
        chosen["content-cosine"] = modalities
    for name, of in chosen.items():
        scores[name] = ContentCosine(of).fit(data).score
    return {
        name: measure(rank_scores(evaluator, score, part), cold) for name, score in scores.items()
    }


def rank_scores(evaluator: Evaluator, score: Callable[[Tensor], Tensor], part: str) -> Rank:
    """The ranking of a scoring function."""
    return lambda candidates: evaluator.evaluate_scores(score, part, candidates=candidates)


def run_seed(config: RunConfig, seed: int, arguments: argparse.Namespace) -> dict[str, Metrics]:
    """Metrics of every row on one split seed."""
    here = with_data_seed(config, seed)
    warm_rule = None if arguments.warm_rule == "none" else arguments.warm_rule
    split = SplitInteractions("cold_items", seed, arguments.cold_share, warm_rule=warm_rule)
    data = split(open_dataset(here)[0])
    evaluator, part = Evaluator(data), arguments.part
    cold = cold_items(data, part)
    found = untrained(here, data, evaluator, cold, part)
    arms = possible_arms(build_arms(here), data, lambda _: None)
    for trained in train_arms(arms, [seed], data, evaluator, quiet=here.quiet):
        recommender = trained.recommender
        moved = data.to(str(next(recommender.parameters()).device))
        keeps: dict[str, list[str] | None] = {"": None}
        trained_on = recommender.backbone
        if trained_on.has_ids and trained_on.modalities:
            keeps[ONLY] = trained_on.content_names(trained_on.modalities)
        for suffix, keep in keeps.items():
            tables = recommender.tables(moved, keep)
            name = f"{trained.arm.backbone_name} {trained.arm.name}{suffix}"
            found[name] = measure(rank_tables(evaluator, tables, part), cold)
    line = ", ".join(f"{name} {m[f'{COLD} {METRICS[0]}']:.4f}" for name, m in found.items())
    print(f"split seed {seed}, {COLD}, {int(cold.sum())} items: {line}", flush=True)
    return found


def rank_tables(evaluator: Evaluator, tables: tuple[Tensor, Tensor], part: str) -> Rank:
    """The ranking of two tables."""
    return lambda candidates: evaluator(*tables, part, candidates=candidates)


def summary(results: list[dict[str, Metrics]]) -> str:
    """One table a ranking: means over split seeds, gains over bare and of mrdib over each row."""

    def over_bare(name: str) -> tuple[str, str] | None:
        base = f"{name.split()[0]} bare"
        return None if name == base or base not in results[0] else (name, base)

    def of_mrdib(name: str) -> tuple[str, str] | None:
        best = f"{name.split()[0]} mrdib"
        return None if name == best or best not in results[0] else (best, name)

    parts = []
    for ranking, text in RANKINGS.items():
        metrics = [f"{ranking} {name}" for name in METRICS]
        if all(metrics[0] in row for result in results for row in result.values()):
            rows = [
                {name: {m: row[f"{ranking} {m}"] for m in METRICS} for name, row in result.items()}
                for result in results
            ]
            against = {"over bare %": over_bare, "mrdib over it %": of_mrdib}
            parts += [text.capitalize(), paired_table(rows, METRICS, against, "row")]
    return "\n\n".join(parts)


def main(argv: list[str]) -> None:
    """Run every split seed, print the tables, and write the results where ``--out`` says."""
    parser = main_job.build_parser()
    parser.add_argument("--split-seeds", default="1,2,3,4,5", help="comma list")
    parser.add_argument(
        "--cold-share", type=float, default=0.2, help="of the items, half for validation"
    )
    parser.add_argument(
        "--warm-rule", default="random", help="of the other items' interactions, or 'none'"
    )
    parser.add_argument("--part", choices=["test", "val"], default="test", help="what is scored")
    arguments = parser.parse_args(argv)
    out, arguments.out = arguments.out, None
    config = main_job.read_config(arguments)
    build_arms(config)  # a wrong setting fails before anything is read
    seeds = seeds_of(arguments.split_seeds, "--split-seeds")
    results: list[dict[str, Metrics]] = []
    for seed in seeds:
        results.append(run_seed(config, seed, arguments))
        if out is not None:
            write_json(Path(out), {"split_seeds": seeds[: len(results)], "results": results})
    print("\n" + summary(results))


if __name__ == "__main__":
    start(main)
