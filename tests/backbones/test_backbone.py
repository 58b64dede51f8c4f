"""What the abstract class gives to every backbone."""

import pytest
import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from mrdib_graph import graph
from mrdib_graph.backbones import (
    Backbone,
    Capabilities,
    DualGNN,
    LightGCN,
    Sizes,
    Step,
    capabilities,
    embedding,
    take_rows,
)
from mrdib_graph.errors import ConfigError
from mrdib_graph.recommender import Recommender
from mrdib_graph.testing import tiny_data
from mrdib_graph.typing import Embeddings, Fused, Rows, Terms, Triplets


class Sums(Backbone):
    """Rows that count: user u is u everywhere, item i is 10 i."""

    def encode(self, data: HeteroData) -> Embeddings:
        del data
        user = torch.arange(self.num_users).float().unsqueeze(1).expand(-1, self.embedding_dim)
        item = 10 * torch.arange(self.num_items).float().unsqueeze(1).expand(-1, self.embedding_dim)
        return {"user": {"id": user, "image": user + 0.5}, "item": {"id": item, "image": item}}

    def fuse(self, h: Rows, node_type: str) -> Fused:
        del node_type
        return Fused(h["id"] + 1, {})


def made() -> Sums:
    return Sums.from_data(tiny_data(), embedding_dim=2)


def test_from_data_reads_the_sizes() -> None:
    backbone = made()
    assert (backbone.num_users, backbone.num_items) == (30, 40)
    assert backbone.in_channels == {"image": 12, "text": 7}
    assert backbone.modalities == ["image", "text"]


def test_rows_of_a_batch_are_rows_of_the_tables() -> None:
    users, items = torch.tensor([4, 0]), torch.tensor([1, 1, 7])
    rows = made().encode_rows(tiny_data(), users, items)
    assert rows["user"]["id"][:, 0].tolist() == [4, 0]
    assert rows["item"]["image"][:, 0].tolist() == [10, 10, 70]
    assert rows["user"]["image"][:, 1].tolist() == [4.5, 0.5]


def test_take_rows_is_differentiable() -> None:
    table = torch.randn(4, 2, requires_grad=True)
    rows = take_rows({"user": {"id": table}}, torch.tensor([2, 2]), torch.tensor([0]))
    rows["user"]["id"].sum().backward()
    assert table.grad is not None and table.grad[:, 0].tolist() == [0, 0, 2, 0]


def test_user_of_a_modality_is_its_code_else_the_fused_row() -> None:
    user: Rows = {"id": torch.zeros(3, 2), "image": torch.ones(3, 2)}
    assert torch.equal(made().modality_user("image", user), user["image"])
    assert torch.equal(made().modality_user("text", user), torch.ones(3, 2))  # fuse adds one


def test_prepare_aligns_the_features_of_a_copy() -> None:
    data = tiny_data()
    ready = made().prepare(data)
    assert "x_image" in ready[graph.ITEM] and "x_image" not in data[graph.ITEM]


def test_no_auxiliary_loss_by_default() -> None:
    backbone = made()
    assert backbone.loss_weights == {} and list(backbone.graphs) == []
    assert backbone.rowwise


class Watched(Sums):
    """Keeps what its own loss terms are computed from."""

    step: Step
    loss_weights = {"mine": 0.5}

    def auxiliary_loss(self, data: HeteroData, step: Step) -> Terms:
        del data
        self.step = step
        return {"mine": torch.tensor(4.0)}


def test_loss_terms_of_ones_own() -> None:
    backbone = Watched.from_data(tiny_data(), embedding_dim=2)
    recommender = Recommender(backbone)
    batch = Triplets(
        torch.tensor([4, 0, 4]), torch.tensor([7, 1, 7]), torch.tensor([[9], [7], [2]])
    )
    terms = recommender.loss(backbone.prepare(tiny_data()), batch)
    torch.testing.assert_close(recommender.total(terms), terms["ranking"] + 2)
    step, items = backbone.step, [7, 1, 7, 9, 7, 2]
    assert step.batch is batch
    assert step.user.out[:, 0].tolist() == [5, 1, 5]  # fuse adds one
    assert step.item.out[:, 0].tolist() == [10 * item + 1 for item in items]
    assert step.rows["user"]["image"][step.user_of, 0].tolist() == [4.5, 0.5, 4.5]
    assert step.rows["item"]["id"][step.item_of, 0].tolist() == [10 * item for item in items]


def test_the_abstract_class_cannot_be_built() -> None:
    with pytest.raises(TypeError, match="abstract"):
        Backbone(1, 1, {})  # type: ignore[abstract]


def test_raw_width_below_one_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"in_channels\['image'\]: got 0"):
        Sums(3, 4, {"image": 0})


def test_embedding_is_xavier_uniform() -> None:
    weight = embedding(2000, 64).weight.detach()
    bound = (6 / (2000 + 64)) ** 0.5
    assert weight.shape == (2000, 64) and float(weight.abs().max()) <= bound
    assert float(weight.std()) == pytest.approx(bound / 3**0.5, rel=0.02)


def test_capabilities_are_asked_of_a_class_or_of_a_backbone() -> None:
    both = ("inline", "auxiliary")
    assert (
        capabilities(Sums) == capabilities(made()) == Capabilities(True, True, False, False, both)
    )
    assert not capabilities(DualGNN).rowwise and not capabilities(DualGNN).has_ids
    assert LightGCN.from_data(tiny_data()).not_sampled is None


def test_sizes_are_what_from_data_gives() -> None:
    sizes: Sizes = {"num_users": 3, "num_items": 4, "in_channels": {"image": 2}}
    backbone = Sums(**sizes)
    assert (backbone.num_users, backbone.num_items, backbone.embedding_dim) == (3, 4, 64)
    with pytest.raises(ConfigError, match="num_users: got 0, expected a whole number, 1 or more"):
        Sums(**{**sizes, "num_users": 0})


class Plain(Sums):
    """Returns what a test wants."""

    tables: object = None
    rows: object = None

    def encode(self, data: HeteroData) -> Embeddings:
        return super().encode(data) if self.tables is None else self.tables  # type: ignore[return-value]

    def fuse(self, h: Rows, node_type: str) -> Fused:
        return self.rows  # type: ignore[return-value]


def test_fuse_may_return_a_tensor() -> None:
    backbone = Plain.from_data(tiny_data(), embedding_dim=2)
    backbone.rows = torch.ones(3, 5)
    fused = backbone.fused({"id": torch.zeros(3, 2)}, "item")
    assert fused.out is backbone.rows and fused.views == {}
    user, item = Recommender(Tensors.from_data(tiny_data(), embedding_dim=2)).tables(tiny_data())
    assert user.shape == (30, 2) and item.shape == (40, 2)


class Tensors(Sums):
    def fuse(self, h: Rows, node_type: str) -> Tensor:  # type: ignore[override]
        return super().fuse(h, node_type).out


@pytest.mark.parametrize(
    ("rows", "what"),
    [
        (None, "of type NoneType"),
        ({"id": torch.ones(3, 5)}, "of type dict"),
        (torch.ones(4, 5), r"a tensor \[4, 5\]"),
        (torch.ones(3), r"a tensor \[3\]"),
    ],
)
def test_what_else_fuse_returns_is_named(rows: object, what: str) -> None:
    backbone = Plain.from_data(tiny_data(), embedding_dim=2)
    backbone.rows = rows
    with pytest.raises(
        ConfigError, match=rf"Plain.fuse: the rows are {what}, expected a tensor \[3, w\]"
    ):
        backbone.fused({"id": torch.zeros(3, 2)}, "item")


@pytest.mark.parametrize(
    ("tables", "what"),
    [
        ({"user": {"id": torch.ones(30, 2)}}, "there are no rows of the items; return"),
        (torch.ones(30, 2), "there are no rows of the users; return"),
        (
            {"user": {"id": torch.ones(30, 2)}, "item": {"id": torch.ones(30, 2)}},
            r"item rows 'id' are a tensor \[30, 2\], expected a tensor \[40, d\], a row for each",
        ),
        ({"user": {"id": 0}, "item": {}}, "user rows 'id' are of type int, expected a tensor"),
    ],
)
def test_what_else_encode_returns_is_named(tables: object, what: str) -> None:
    backbone = Plain.from_data(tiny_data(), embedding_dim=2)
    backbone.tables = tables
    with pytest.raises(ConfigError, match=f"Plain.encode: {what}"):
        backbone.encoded(tiny_data())
    assert set(Tensors.from_data(tiny_data()).encoded(tiny_data())) == {"user", "item"}
