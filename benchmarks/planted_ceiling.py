"""How far a recommender of `planted` can get at all: two rows that know what nobody knows.

    python benchmarks/planted_ceiling.py --data-seeds 1,2,3,4,5

`knows everything` has the true tastes and item factors, and the items' training counts.
`knows the items` has the true item factors and the counts, and learns a vector for each user by the
ranking loss, its L2 weight and its epoch chosen on validation.  What the second reaches is what few
interactions of a user allow whoever learns the items perfectly, so a gain is to be read against it.
"""

from __future__ import annotations

import sys

import numpy as np
import torch
from tabulate import tabulate
from torch import Tensor
from torch.nn import Embedding, init
from torch_geometric.data import HeteroData

from mrdib_graph import graph
from mrdib_graph.cli.exit_status import exit_status
from mrdib_graph.cli.parser import Parser, number_list
from mrdib_graph.datasets import Planted
from mrdib_graph.evaluation import Evaluator
from mrdib_graph.loader import TripletLoader
from mrdib_graph.losses import BPRLoss, Pairs, l2_half

METRIC = "recall@20"
WEIGHTS = (0.01, 0.03, 0.1, 0.2)
EPOCHS = 90
EVERY = 3


def true_items(planted: Planted, data: HeteroData) -> tuple[Tensor, Tensor]:
    """Tastes times dials beside 1 [U, D + 1], and item factors beside log counts [I, D + 1]."""
    user, item = planted.true_factors()
    counts = torch.bincount(graph.interactions(data, "train")[1], minlength=len(item)) + 1.0
    return (
        torch.cat([user, torch.ones(len(user), 1)], dim=1),
        torch.cat([item, counts.log().unsqueeze(1)], dim=1),
    )


def learn_users(
    data: HeteroData, item: Tensor, weight: float, evaluator: Evaluator, seed: int
) -> tuple[float, float]:
    """Validation and test metric, at the epoch that is best on validation."""
    torch.manual_seed(seed)
    table = Embedding(graph.num_users(data), item.size(1))
    init.normal_(table.weight, std=0.1)
    with torch.no_grad():
        table.weight[:, -1] = 1  # popularity counts once, to start with
    optimizer = torch.optim.Adam(table.parameters(), lr=1e-2, fused=True)
    loader = TripletLoader(data, 2048, generator=torch.Generator().manual_seed(seed))
    ranking, best = BPRLoss(), (-1.0, -1.0)
    for epoch in range(1, EPOCHS + 1):
        for batch in loader:
            user = table(batch.user)
            loss = ranking(Pairs.of(batch).scores(user, item[batch.items]))
            loss = loss + weight * l2_half(user[:, :-1], divisor=len(user))
            optimizer.zero_grad()
            torch.autograd.backward(loss)
            optimizer.step()
        if epoch % EVERY == 0:
            val = evaluator(table.weight.detach(), item, "val").mean[METRIC]
            if val > best[0]:
                best = (val, evaluator(table.weight.detach(), item, "test").mean[METRIC])
    return best


def main(argv: list[str]) -> None:
    """Print one line a data seed, and the mean."""
    parser = Parser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data-seeds", default="1,2,3,4,5", help="comma list")
    found: dict[int, tuple[float, float]] = {}
    for seed in number_list(parser.parse_args(argv).data_seeds, "--data-seeds", int):
        planted = Planted(seed=seed)
        data = planted[0]
        evaluator = Evaluator(data)
        user, item = true_items(planted, data)
        everything = evaluator(user, item, "test").mean[METRIC]
        learned = [learn_users(data, item, w, evaluator, seed) for w in WEIGHTS]
        best = max(learned, key=lambda val_and_test: val_and_test[0])
        found[seed] = (everything, best[1])
        print(f"data seed {seed}: {everything:.4f}, {best[1]:.4f}", flush=True)
    rows = [[str(seed), *values] for seed, values in found.items()]
    rows.append(["mean", *(float(x) for x in np.mean(list(found.values()), axis=0))])
    heads = ["data seed", "knows everything", "knows the items"]
    print("\n" + tabulate(rows, headers=heads, tablefmt="github", floatfmt=".4f"))


if __name__ == "__main__":
    sys.exit(exit_status(main))
