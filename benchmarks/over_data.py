"""The same comparison over fresh data: planted sets, or splits, that nothing was tuned on.

    python benchmarks/over_data.py --backbone vbpr --arms bare,mrdib,content-loss \
        --data-seeds 1,2,3,4,5

Each data seed makes a new planted set (``dataset_options.seed``), or a new split of a real one
(``split_seed``), and trains every arm on it with that number as training seed.  The test is paired
over data seeds.  ``--out`` names a JSON file, written after every seed.
"""

from __future__ import annotations

import sys

from mrdib_graph.cli.exit_status import exit_status
from mrdib_graph.cli.parser import number_list
from mrdib_graph.cli.run import build_parser, read_config
from mrdib_graph.evaluation import Evaluator
from mrdib_graph.experiment import RunConfig, build_arms, open_dataset
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
from mrdib_graph.typing import Metrics


def run_seed(config: RunConfig, seed: int) -> dict[str, Metrics]:
    """Test metrics of every baseline and arm on one data seed."""
    here = with_data_seed(config, seed)
    data = open_dataset(here)[0]
    evaluator = Evaluator(data)
    found = {
        name: evaluator.evaluate_scores(fitted.score, "test").mean
        for name, fitted in fitted_baselines(here, data, evaluator).items()
    }
    for trained in train_possible(here, data, evaluator):
        found[row_name(trained.arm)] = trained.fit.test
    line = ", ".join(f"{name} {metrics[METRICS[0]]:.4f}" for name, metrics in found.items())
    print(f"data seed {seed}: {line}", flush=True)
    return found


def main(argv: list[str]) -> None:
    """Run every data seed, print the table, and write the results where ``--out`` says."""
    parser = build_parser()
    parser.add_argument("--data-seeds", default="1,2,3,4,5", help="comma list")
    arguments = parser.parse_args(argv)
    out, arguments.out = arguments.out, None
    config = read_config(arguments)
    arms = build_arms(config)
    seeds = number_list(arguments.data_seeds, "--data-seeds", int)
    results = over_seeds("data_seeds", seeds, lambda seed: run_seed(config, seed), out)
    print("\n" + paired_table(results, METRICS, comparisons(arms), "arm"))


if __name__ == "__main__":
    sys.exit(exit_status(main))
