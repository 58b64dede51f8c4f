"""``check_backbone`` accepts a sound backbone of one's own and names the fault of a broken one."""

import pytest
import torch
from torch import Generator, Tensor
from torch.nn import Linear, ModuleDict, Parameter
from torch_geometric.data import HeteroData

from mrdib_graph import graph
from mrdib_graph.backbones import Backbone, embedding
from mrdib_graph.testing import check_backbone
from mrdib_graph.testing.largest_tensor import LargestTensor
from mrdib_graph.typing import Embeddings, Fused, Rows


class Own(Backbone):
    """Matrix factorisation with the features added: a third party's file."""

    def __init__(self, num_users, num_items, in_channels, embedding_dim=64) -> None:
        super().__init__(num_users, num_items, in_channels, embedding_dim)
        self.user, self.item = (embedding(n, embedding_dim) for n in (num_users, num_items))
        self.project = ModuleDict({m: Linear(d, embedding_dim) for m, d in in_channels.items()})

    def encode(self, data: HeteroData) -> Embeddings:
        item: Rows = {"id": self.item.weight}
        for m in self.modalities:
            x, mask = graph.item_features(data, m)
            item[m] = self.project[m](x) * mask.unsqueeze(1)
        return {"user": {"id": self.user.weight}, "item": item}

    def fuse(self, h: Rows, node_type: str) -> Fused:
        del node_type
        return Fused(torch.stack(list(h.values())).sum(0), {})


def test_a_sound_backbone_passes() -> None:
    check_backbone(Own)
    check_backbone(Own, embedding_dim=3)


def test_the_global_generator_is_left_as_it_was() -> None:
    state = torch.get_rng_state()
    check_backbone(Own)
    assert torch.equal(torch.get_rng_state(), state)


class NotFinite(Own):
    def fuse(self, h: Rows, node_type: str) -> Fused:
        out = super().fuse(h, node_type).out
        return Fused(out / out.norm(dim=1, keepdim=True).where(out[:, :1] > 0, 0.0), {})


class NoGradient(Own):
    def fuse(self, h: Rows, node_type: str) -> Fused:
        return Fused(super().fuse(h, node_type).out.detach() + 0 * h["id"], {})


class ChangesTheGraph(Own):
    def prepare(self, data: HeteroData) -> HeteroData:
        data["item"].prepared = True
        return super().prepare(data)


class ReplacesFeatures(Own):
    def prepare(self, data: HeteroData) -> HeteroData:
        data["image"].x = data["image"].x * 1.5
        return super().prepare(data)


class WritesFeatures(Own):
    def prepare(self, data: HeteroData) -> HeteroData:
        data["image"].x.mul_(1.5)
        return super().prepare(data)


class NoisyTables(Own):
    def encode(self, data: HeteroData) -> Embeddings:
        tables = super().encode(data)
        tables["item"]["id"] = tables["item"]["id"] + 0.1 * torch.randn(self.num_items, 1)
        return tables


class TablesThatCount(Own):
    """Computing the tables moves a counter that the training reads."""

    def __init__(self, *args, **options) -> None:
        super().__init__(*args, **options)
        self.register_buffer("calls", torch.zeros(()))

    def encode(self, data: HeteroData) -> Embeddings:
        tables = super().encode(data)
        if not self.training:
            self.calls += 1
            return tables
        return {**tables, "user": {"id": tables["user"]["id"] * (1 + self.calls)}}


class WrongRows(Own):
    def encode_rows(self, data: HeteroData, users: Tensor, items: Tensor) -> Embeddings:
        return super().encode_rows(data, users, items.sort().values)


class WrongNames(Own):
    def encode_rows(self, data: HeteroData, users: Tensor, items: Tensor) -> Embeddings:
        rows = super().encode_rows(data, users, items)
        return {**rows, "item": {**rows["item"], "more": rows["item"]["id"]}}


class FuseRemembers(Own):
    """What the epoch's first ``encode`` leaves for ``fuse``, as LATTICE once did."""

    def prepare_epoch(self, data: HeteroData, generator: Generator) -> None:
        self.first = True

    def encode(self, data: HeteroData) -> Embeddings:
        self.scale, self.first = (2.0 if getattr(self, "first", False) else 1.0), False
        return super().encode(data)

    def fuse(self, h: Rows, node_type: str) -> Fused:
        return Fused(super().fuse(h, node_type).out * self.scale, {})


class NotRowWise(Own):
    def fuse(self, h: Rows, node_type: str) -> Fused:
        out = super().fuse(h, node_type).out
        return Fused(out - out.mean(0), {})


class UnseededDraw(Own):
    """Draws from a source that no seed reaches."""

    def prepare_epoch(self, data: HeteroData, generator: Generator) -> None:
        del data, generator
        fresh = Generator()
        fresh.seed()
        self.scale = float(torch.rand((), generator=fresh))

    def fuse(self, h: Rows, node_type: str) -> Fused:
        scale = self.scale if self.training else 1.0
        return Fused(super().fuse(h, node_type).out * scale, {})


class DrawOutsideTheState(UnseededDraw):
    """A draw of the epoch that a checkpoint does not hold."""

    scale = 1.0

    def prepare_epoch(self, data: HeteroData, generator: Generator) -> None:
        del data
        self.scale = float(torch.rand((), generator=generator))


class SharedWithCopies(Own):
    def __init__(self, *args, **options) -> None:
        super().__init__(*args, **options)

        class Stays(Parameter):  # a deep copy shares it
            def __deepcopy__(self, memo):
                return self

        self.item.weight.__class__ = Stays


class NumberedItems(Own):
    def encode(self, data: HeteroData) -> Embeddings:
        tables = super().encode(data)
        number = torch.arange(self.num_items).unsqueeze(1) / self.num_items
        return {**tables, "item": {**tables["item"], "id": tables["item"]["id"] + number}}


class MissingRowsCount(Own):
    """An item that lacks the modality keeps the bias of the projection."""

    def encode(self, data: HeteroData) -> Embeddings:
        tables = super().encode(data)
        for m in self.modalities:
            tables["item"][m] = self.project[m](graph.item_features(data, m)[0])
        return tables


class DenseItems(Own):
    def encode(self, data: HeteroData) -> Embeddings:
        tables = super().encode(data)
        weight = tables["item"]["id"]
        smooth = (weight @ weight.T).softmax(1) @ weight
        return {**tables, "item": {**tables["item"], "id": smooth}}


class LeavesATensor(Own):
    def __init__(self, *args, **options) -> None:
        super().__init__(*args, **options)
        self.kept = {"scales": [torch.ones(self.num_items, 1)]}


FAULTS = [
    (NotFinite, "is nan|not finite|is inf"),
    (NoGradient, "no gradient at all with 1 modalities"),
    (ChangesTheGraph, "prepare changes the graph it is given: 'prepared' of item"),
    (ReplacesFeatures, "prepare changes the graph it is given: 'x' of image"),
    (WritesFeatures, "prepare changes the graph it is given: 'x' of image"),
    (NoisyTables, "two calls give different tables"),
    (TablesThatCount, "two calls|inside an epoch changes its losses"),
    (WrongRows, "encode_rows of item 'id': differs by"),
    (WrongNames, r"encode has the names \['id', 'image', 'text', 'audio'\], encode_rows"),
    (FuseRemembers, "after encode of other data"),
    (NotRowWise, "fuse of user rows: differs by"),
    (UnseededDraw, "one seed gave the losses|inside an epoch changes"),
    (DrawOutsideTheState, "resumed inside an epoch: losses"),
    (SharedWithCopies, "training a deep copy changes the original"),
    (NumberedItems, "item table after renumbering the items: differs by"),
    (MissingRowsCount, "identity codes: the loss: differs by"),
    (DenseItems, r"tensor of shape \(700, 700\) with 600 users and 700 items"),
    (LeavesATensor, r"a change of device leaves \.kept\.scales\[0\] behind"),
]


@pytest.mark.parametrize(("broken", "message"), FAULTS, ids=[f.__name__ for f, _ in FAULTS])
def test_a_broken_backbone_is_named(broken: type[Backbone], message: str) -> None:
    with pytest.raises(AssertionError, match=message):
        check_backbone(broken)


def test_largest_tensor_sees_forward_and_backward_but_no_view() -> None:
    x = torch.ones(3, requires_grad=True)
    with LargestTensor() as largest:
        x.expand(100, 3)
    assert largest.num_values <= 3
    with LargestTensor() as largest:
        y = x.unsqueeze(1) * x
    assert (largest.num_values, largest.shape) == (9, (3, 3))
    total = (x.expand(50, 3) * 2).sum()
    with LargestTensor() as largest:
        total.backward()
    assert largest.num_values == 150
    with LargestTensor() as largest:
        y.detach().to_sparse_csr()
    assert largest.num_values <= 9
