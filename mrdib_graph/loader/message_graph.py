"""Operators as relations that neighbours are sampled along, and back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from mrdib_graph import graph
from mrdib_graph.sparse import SparseMatrix
from mrdib_graph.subgraph import ALL, Messages

Relation = tuple[str, str, str]


class MessageGraph:
    r"""The graph that subgraphs are sampled from: a relation for every block of every operator.

    An operator's row r is what node r receives.  Where s of the d messages to a node are sampled,
    each is multiplied by d / s: what a node receives is then, on average over the draws, what it
    receives in the whole graph.  The messages to a node are shuffled, since torch-sparse (0.6.18)
    prefers those that it meets first.

    Args:
        messages: The operators.
        num_users: U.
        num_items: I.
        num_neighbors: Messages sampled to a node at each hop from the batch, -1 for all; the last
            number stands for every further hop.
        generator: Of the shuffling, on the CPU.
    """

    def __init__(
        self,
        messages: Sequence[Messages],
        num_users: int,
        num_items: int,
        num_neighbors: Sequence[int],
        generator: torch.Generator | None = None,
    ) -> None:
        self.messages = messages
        self.sizes = {graph.USER: num_users, graph.ITEM: num_items}
        self.data = HeteroData()
        for node_type, size in self.sizes.items():
            self.data[node_type].num_nodes = size
        self.fan_outs: dict[Relation, list[int]] = {}
        self._degrees: dict[Relation, Tensor] = {}
        hops = max([1, *(m.num_hops for m in messages)])
        for m in messages:
            fan_out = [
                num_neighbors[min(hop, len(num_neighbors) - 1)] if hop < m.num_hops else 0
                for hop in range(hops)
            ]
            for relation, row, col, value in self._blocks(m):
                key = row + torch.rand(row.numel(), generator=generator, dtype=torch.float64)
                order = key.argsort()  # rows stay in order
                self.data[relation].edge_index = torch.stack([col[order], row[order]])
                self.data[relation].weight = value[order]
                self._degrees[relation] = torch.bincount(row, minlength=self.sizes[relation[2]])
                self.fan_outs[relation] = fan_out
        if not self.fan_outs:  # nothing is passed: one edge, never taken, for the sampler's sake
            relation = (graph.ITEM, "unused", graph.USER)
            self.data[relation].edge_index = torch.zeros(2, 1, dtype=torch.int64)
            self.fan_outs[relation] = [0]

    def operators(self, sampled: HeteroData) -> dict[str, SparseMatrix]:
        """The operators among the nodes of a sampled graph, by name."""
        sizes = {t: sampled[t].num_nodes for t in (graph.USER, graph.ITEM)}
        made = {}
        for m in self.messages:
            rows, cols, values = [], [], []
            for relation, row_start, col_start in _parts(m, sizes[graph.USER]):
                if relation not in self.fan_outs:
                    continue
                source, target = sampled[relation].edge_index
                taken = torch.bincount(target, minlength=sizes[relation[2]])
                degree = self._degrees[relation][sampled[relation[2]].n_id]
                rescale = degree / taken.clamp(min=1)
                values.append(sampled[relation].weight * rescale[target])
                rows.append(target + row_start)
                cols.append(source + col_start)
            size = {**sizes, ALL: sum(sizes.values())}
            made[m.name] = SparseMatrix.from_edges(
                torch.cat(rows),
                torch.cat(cols),
                torch.cat(values),
                (size[m.targets], size[m.sources]),
            )
        return made

    def _blocks(self, m: Messages) -> Iterator[tuple[Relation, Tensor, Tensor, Tensor]]:
        """Relation, row, column and value of each block with an entry, in row order."""
        row, col, value = (t.cpu() for t in (m.matrix.row, m.matrix.col, m.matrix.value))
        for relation, row_start, col_start in _parts(m, self.sizes[graph.USER]):
            row_end, col_end = (
                start + self.sizes[t]
                for start, t in ((row_start, relation[2]), (col_start, relation[0]))
            )
            here = (row >= row_start) & (row < row_end) & (col >= col_start) & (col < col_end)
            if bool(here.any()):
                yield relation, row[here] - row_start, col[here] - col_start, value[here]


def _parts(m: Messages, num_users: int) -> Iterator[tuple[Relation, int, int]]:
    """Relation of each block, and where its rows and columns start in the operator."""
    for target, row_start in _sides(m.targets, num_users):
        for source, col_start in _sides(m.sources, num_users):
            yield (source, m.name, target), row_start, col_start


def _sides(side: str, num_users: int) -> list[tuple[str, int]]:
    return [(graph.USER, 0), (graph.ITEM, num_users)] if side == ALL else [(side, 0)]
