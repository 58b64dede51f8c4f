"""The same comparison over fresh data: planted sets, or splits, that nothing was tuned on.

    python benchmarks/over_data.py --backbone vbpr --arms bare,mrdib,content-loss \
        --data-seeds 1,2,3,4,5

Each data seed makes a new planted set (``dataset_options.seed``), or a new split of a real one
(``split_seed``), and trains every arm on it with that number as training seed.  The test is paired
over data seeds.  ``--out`` names a JSON file, written after every seed.
"""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from paired import Against, paired_table
from script import seeds_of, start, write_json

from mrdib_graph.cli import run as main_job
from mrdib_graph.evaluation import Evaluator
from mrdib_graph.experiment import build_arms, open_dataset, possible_arms, train_arms
from mrdib_graph.experiment.config import RunConfig
from mrdib_graph.experiment.fit_baselines import run_baseline
from mrdib_graph.experiment.report import MAIN_METRIC

METRICS = (MAIN_METRIC, "ndcg@20")


def with_data_seed(config: RunConfig, seed: int) -> RunConfig:
    """The configuration on another planted set or another split."""
    if config.dataset == "planted":
        options = {**config.dataset_options, "seed": seed}
        return dataclasses.replace(config, dataset_options=options, seeds=[seed])
    return dataclasses.replace(config, split_seed=seed, seeds=[seed])


def run_seed(config: RunConfig, seed: int) -> dict[str, dict[str, float]]:
    """Test metrics of every arm and baseline on one data seed."""
    here = with_data_seed(config, seed)
    data = open_dataset(here)[0]
    evaluator = Evaluator(data)
    found: dict[str, dict[str, float]] = {}
    for name in config.baselines:
        arm = run_baseline(name, data, evaluator, MAIN_METRIC)
        if arm is not None:
            found[f"{name} closed-form"] = arm.mean
    arms = possible_arms(build_arms(here), data, lambda _: None)
    for trained in train_arms(arms, [seed], data, evaluator, quiet=here.quiet):
        found[f"{trained.arm.backbone_name} {trained.arm.name}"] = trained.fit.test
    line = ", ".join(f"{name} {m[MAIN_METRIC]:.4f}" for name, m in found.items())
    print(f"data seed {seed}: {line}", flush=True)
    return found


def summary(results: list[dict[str, dict[str, float]]]) -> str:
    """Means over data seeds, gains over bare and of mrdib over each arm, paired t tests."""

    def over_bare(name: str) -> tuple[str, str] | None:
        base = f"{name.split()[0]} bare"
        return None if name == base else (name, base)

    def of(best: str) -> Against:
        def against(name: str) -> tuple[str, str] | None:
            arm = f"{name.split()[0]} {best}"
            return None if name == arm else (arm, name)

        return against

    comparisons: dict[str, Against] = {"over bare %": over_bare}
    for arm in ("mrdib", "mrdib-late"):
        if any(name.endswith(f" {arm}") for name in results[0]):
            comparisons[f"{arm} over it %"] = of(arm)
    return paired_table(results, METRICS, comparisons, "arm")


def main(argv: list[str]) -> None:
    """Run every data seed, print the table, and write the results where ``--out`` says."""
    parser = main_job.build_parser()
    parser.add_argument("--data-seeds", default="1,2,3,4,5", help="comma list")
    arguments = parser.parse_args(argv)
    out, arguments.out = arguments.out, None
    config = main_job.read_config(arguments)
    build_arms(config)  # a wrong setting fails before anything is read
    seeds = seeds_of(arguments.data_seeds, "--data-seeds")
    results: list[dict[str, dict[str, float]]] = []
    for seed in seeds:
        results.append(run_seed(config, seed))
        if out is not None:
            write_json(Path(out), {"data_seeds": seeds[: len(results)], "results": results})
    print("\n" + summary(results))


if __name__ == "__main__":
    start(main)
