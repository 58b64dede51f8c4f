"""Training on sampled subgraphs: a step's cost follows the fan-out, not the graph."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from mrdib_graph import distributed, graph
from mrdib_graph.errors import ConfigError, MissingExtraError
from mrdib_graph.loader.batch_nodes import BatchNodes, distinct_nodes
from mrdib_graph.loader.message_graph import MessageGraph
from mrdib_graph.loader.triplet_loader import TripletLoader
from mrdib_graph.negatives import NegativeSampler
from mrdib_graph.subgraph import Sampling
from mrdib_graph.typing import Triplets


class NeighborLoader(TripletLoader):
    """The batches of :class:`TripletLoader`, each on a subgraph sampled around its nodes.

    The method is that of `"Inductive Representation Learning on Large Graphs"
    <https://arxiv.org/abs/1706.02216>`_, the sampler
    :class:`torch_geometric.loader.LinkNeighborLoader`.  A subgraph numbers the batch's users and
    items first, in the order of their ids; with several processes it is sampled around this
    process's share of them.

    Args:
        data: The graph with its training split.
        sampling: Answers, before each epoch, with what the backbone reads; for example
            ``lambda: backbone.sampling(data)``.
        num_neighbors: Messages sampled to a node along each operator, for each hop from the batch,
            -1 for all; the last number stands for every further hop.
        batch_size: B; the last batch may be smaller and is kept.
        num_negatives: n, sampled items; the sampler's own default for None.
        generator: Source of the draws, on the CPU.
        negatives: As :class:`TripletLoader` takes it.

    Raises:
        ConfigError: A size below 1, a fan-out that is neither -1 nor above 0, or a backbone that
            cannot be sampled.
        MissingExtraError: Neither torch-sparse nor pyg-lib can be imported.
        DataError: The training split is empty, or nothing can be sampled for a user.
    """

    def __init__(
        self,
        data: HeteroData,
        sampling: Callable[[], Sampling],
        num_neighbors: Sequence[int] = (10, 10),
        batch_size: int = 2048,
        num_negatives: int | None = None,
        generator: torch.Generator | None = None,
        negatives: str | type[NegativeSampler] | NegativeSampler = "uniform",
    ) -> None:
        super().__init__(data, batch_size, num_negatives, generator, negatives)
        if not num_neighbors or not all(n == -1 or n > 0 for n in num_neighbors):
            raise ConfigError(
                f"num_neighbors: got {list(num_neighbors)}, expected one number or more, each "
                "above 0, or -1 for all neighbours"
            )
        check_sampler()
        sampling()  # a backbone that cannot be sampled says so here
        self.num_neighbors = list(num_neighbors)
        self.num_users = graph.num_users(data)
        self._sampling = sampling

    def steps(self, data: HeteroData, skip: int = 0) -> Iterator[tuple[HeteroData, Triplets]]:
        """Subgraph and batch of each step; the batch's ids are those of the subgraph."""
        sampling = self._sampling()
        peek = torch.Generator()  # draws from the state of the loader's own without moving it
        peek.set_state(self.generator.get_state())
        seed = int(torch.randint(2**62, (), generator=peek))
        messages = MessageGraph(
            sampling.messages, self.num_users, self.num_items, self.num_neighbors, peek
        )
        sampler = _sampler(messages)
        for step, batch in enumerate(self.epoch(skip), start=skip):
            nodes = distinct_nodes(batch)
            size, rank = distributed.size(), distributed.rank()
            drawn = _around(nodes, messages, sampler, (seed + step * size + rank) % 2**63)
            yield self._subgraph(data, sampling, messages, nodes, drawn), _local(batch, nodes)

    def _subgraph(
        self,
        data: HeteroData,
        sampling: Sampling,
        messages: MessageGraph,
        nodes: BatchNodes,
        drawn: HeteroData,
    ) -> HeteroData:
        """The subgraph that the backbone is given, on the device of the graph."""
        out = HeteroData()
        for node_type in (graph.USER, graph.ITEM):
            out[node_type].num_nodes = drawn[node_type].num_nodes
            out[node_type].n_id = drawn[node_type].n_id.to(self.device)
        for name, matrix in messages.operators(drawn).items():
            graph.set_operator(out, name, matrix.to(self.device))
        for modality in graph.modalities(data):
            x, mask = graph.item_features(data, modality)
            has = mask[out[graph.ITEM].n_id]
            read = out[graph.ITEM].n_id if sampling.all_features else nodes.items
            if modality not in sampling.modalities:
                read = read[:0]
            described = has[: read.numel()].nonzero().squeeze(1)
            out[modality].x = x[read.to(x.device)].to(self.device)
            out[graph.describes(modality)].edge_index = torch.stack([described, described])
            out[graph.ITEM][f"x_{modality}"] = out[modality].x
            out[graph.ITEM][f"has_{modality}"] = has
            out[graph.ITEM][f"complete_{modality}"] = bool(has.all())
        return out


def _sampler(messages: MessageGraph) -> object:
    from torch_geometric.sampler import NeighborSampler

    with warnings.catch_warnings():  # torch-sparse does what is needed here
        warnings.filterwarnings("ignore", message=".*without a 'pyg-lib' installation.*")
        return NeighborSampler(messages.data, messages.fan_outs, is_sorted=True)


def _around(nodes: BatchNodes, messages: MessageGraph, sampler: object, seed: int) -> HeteroData:
    """Sample around this process's share of a batch's nodes; those of all processes come first."""
    from torch_geometric.loader import LinkNeighborLoader

    wanted = {graph.USER: nodes.users.cpu(), graph.ITEM: nodes.items.cpu()}
    mine = {t: ids[distributed.shard(ids.numel())] for t, ids in wanted.items()}
    # any links that name every node once will do; a share may be empty where a batch is tiny
    seeds = [mine[t] if mine[t].numel() else wanted[t][:1] for t in (graph.USER, graph.ITEM)]
    turn = torch.arange(max(ids.numel() for ids in seeds))
    links = torch.stack([ids[turn % ids.numel()] for ids in seeds])
    loader = LinkNeighborLoader(
        messages.data,
        messages.fan_outs,
        edge_label_index=(graph.INTERACTS, links),
        neighbor_sampler=sampler,
        batch_size=turn.numel(),
    )
    with torch.random.fork_rng(devices=[]):  # dropout draws from the same generator
        torch.default_generator.manual_seed(seed)
        drawn: HeteroData = loader(turn)
    del drawn[graph.INTERACTS]  # the links
    for node_type, ids in wanted.items():
        _number_first(drawn, node_type, ids)
    return drawn


def _number_first(drawn: HeteroData, node_type: str, first: Tensor) -> None:
    """Renumber a type's nodes so that those of ``first`` come first, added where missing."""
    n_id = drawn[node_type].n_id
    place = torch.searchsorted(first, n_id).clamp(max=first.numel() - 1)
    further = first[place] != n_id
    new = torch.where(further, first.numel() - 1 + further.cumsum(0), place)
    drawn[node_type].n_id = torch.cat([first, n_id[further]])
    drawn[node_type].num_nodes = drawn[node_type].n_id.numel()
    for source, name, target in drawn.edge_types:
        store = drawn[source, name, target]
        sides = zip((source, target), store.edge_index, strict=True)
        store.edge_index = torch.stack([new[ids] if t == node_type else ids for t, ids in sides])


def _local(batch: Triplets, nodes: BatchNodes) -> Triplets:
    """A batch in the numbers of its subgraph."""
    size = batch.user.numel()
    negative = nodes.item_of[size:].view(batch.neg_item.shape)
    return batch._replace(user=nodes.user_of, pos_item=nodes.item_of[:size], neg_item=negative)


def check_sampler() -> None:
    """Raise a ``MissingExtraError`` unless PyG finds torch-sparse or pyg-lib."""
    from torch_geometric import typing

    if not (typing.WITH_PYG_LIB or typing.WITH_TORCH_SPARSE):
        raise MissingExtraError(
            "torch-sparse (or pyg-lib)", "sampling", "training on sampled subgraphs"
        )
