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
from collections.abc import Callable, Iterator, Sequence

from torch import Tensor
from torch_geometric.data import HeteroData

from mrdib_graph import graph
from mrdib_graph.baselines import ContentCosine
from mrdib_graph.cli.exit_status import exit_status
from mrdib_graph.cli.parser import number_list
from mrdib_graph.cli.run import build_parser, read_config
from mrdib_graph.evaluation import Evaluator, cold_items, slice_metrics
from mrdib_graph.experiment import Arm, RunConfig, build_arms, open_dataset
from mrdib_graph.experiment.over_seeds import (
    METRICS,
    comparisons,
    fitted_baselines,
    over_seeds,
    row_name,
    train_possible,
    with_data_seed,
)
from mrdib_graph.experiment.paired_table import paired_table
from mrdib_graph.transforms import SplitInteractions
from mrdib_graph.typing import Metrics

Scores = Callable[[Tensor], Tensor] | tuple[Tensor, Tensor]
"""Users [b] to scores [b, I], or the tables of users and items."""

COLD, AMONG_ALL, WARM = "cold among cold", "cold among all", "warm among all"
RANKINGS = {
    COLD: "cold items ranked among the cold items of this part of the split",
    AMONG_ALL: "cold items ranked among all items",
    WARM: "warm items ranked among all items",
}


def measure(evaluator: Evaluator, scores: Scores, cold: Tensor, part: str) -> Metrics:
    """The metrics of all rankings, named ``'<ranking> recall@20'`` and so on."""
    full = evaluator.evaluate_scores(scores, part)
    among_cold = evaluator.evaluate_scores(scores, part, candidates=cold)
    results = {COLD: among_cold, AMONG_ALL: slice_metrics(full, items=cold)}
    if bool((~cold)[full.positives[1]].any()):
        results[WARM] = slice_metrics(full, items=~cold)
    return {f"{name} {m}": r.mean[m] for name, r in results.items() for m in METRICS}


def rankings(
    config: RunConfig, data: HeteroData, evaluator: Evaluator
) -> Iterator[tuple[str, Scores]]:
    """Every row and its scores.

    The closed-form baselines that were asked for, the cosines of raw content, and every arm: all
    of its tables, and content alone where it has IDs too.
    """
    for name, fitted in fitted_baselines(config, data, evaluator).items():
        yield name, fitted.score
    modalities = graph.modalities(data)
    chosen = {f"{m}-cosine": [m] for m in modalities}
    if len(modalities) > 1:
        chosen["content-cosine"] = modalities
    for name, of in chosen.items():
        yield name, ContentCosine(of).fit(data).score
    for trained in train_possible(config, data, evaluator):
        recommender, backbone = trained.recommender, trained.recommender.backbone
        moved = data.to(str(next(recommender.parameters()).device))
        yield row_name(trained.arm), recommender.tables(moved)
        if backbone.has_ids and backbone.modalities:
            keep = backbone.content_names(backbone.modalities)
            yield f"{row_name(trained.arm)} content-only", recommender.tables(moved, keep)


def run_seed(config: RunConfig, seed: int, arguments: argparse.Namespace) -> dict[str, Metrics]:
    """Metrics of every row on one split seed."""
    here = with_data_seed(config, seed)
    warm_rule = None if arguments.warm_rule == "none" else arguments.warm_rule
    split = SplitInteractions("cold_items", seed, arguments.cold_share, warm_rule=warm_rule)
    data = split(open_dataset(here)[0])
    cold = cold_items(data, arguments.part)
    evaluator = Evaluator(data)
    rows = rankings(here, data, evaluator)
    found = {name: measure(evaluator, scores, cold, arguments.part) for name, scores in rows}
    line = ", ".join(f"{name} {m[f'{COLD} {METRICS[0]}']:.4f}" for name, m in found.items())
    print(f"split seed {seed}, {COLD}, {int(cold.sum())} items: {line}", flush=True)
    return found


def summary(results: Sequence[dict[str, Metrics]], arms: Sequence[Arm]) -> str:
    """One table a ranking: means over split seeds, gains over bare and of mrdib over each row."""
    parts = []
    for ranking, text in RANKINGS.items():
        if all(f"{ranking} {METRICS[0]}" in row for result in results for row in result.values()):
            rows = [
                {name: {m: row[f"{ranking} {m}"] for m in METRICS} for name, row in result.items()}
                for result in results
            ]
            parts += [text.capitalize(), paired_table(rows, METRICS, comparisons(arms), "row")]
    return "\n\n".join(parts)


def main(argv: list[str]) -> None:
    """Run every split seed, print the tables, and write the results where ``--out`` says."""
    parser = build_parser()
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
    config = read_config(arguments)
    arms = build_arms(config)
    seeds = number_list(arguments.split_seeds, "--split-seeds", int)
    results = over_seeds("split_seeds", seeds, lambda s: run_seed(config, s, arguments), out)
    print("\n" + summary(results, arms))


if __name__ == "__main__":
    sys.exit(exit_status(main))
