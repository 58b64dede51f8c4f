"""VBPR against its formula."""

import copy

import pytest
import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from mrdib_graph import graph
from mrdib_graph.backbones import VBPR
from mrdib_graph.errors import ConfigError
from mrdib_graph.losses import emb_norm
from mrdib_graph.nn import product_of_gaussians
from mrdib_graph.recommender import Recommender
from mrdib_graph.testing import check_backbone, tiny_data
from mrdib_graph.typing import Triplets

BATCH = Triplets(torch.tensor([0, 1, 2]), torch.tensor([3, 3, 5]), torch.tensor([[6], [7], [8]]))


def made(data: HeteroData, **options) -> VBPR:
    torch.manual_seed(0)
    backbone = VBPR.from_data(data, **{"embedding_dim": 4, **options})
    torch.nn.init.normal_(backbone.bias)
    return backbone


def scores(backbone: VBPR, data: HeteroData) -> Tensor:
    user, item = Recommender(backbone).tables(data)
    return user @ item.T


def test_equals_the_formula() -> None:
    data = tiny_data(missing=0)
    backbone = made(data)
    gamma, theta = backbone.user.weight.split(4, dim=1)
    features = torch.cat([graph.item_features(data, m)[0] for m in backbone.modalities], dim=1)
    maps = torch.cat([backbone.project[m].linear.weight for m in backbone.modalities], dim=1)
    content = features @ maps.T + backbone.bias  # the one concatenated map
    expected = gamma @ backbone.item.weight.T + theta @ content.T
    torch.testing.assert_close(scores(backbone, data), expected.detach(), atol=1e-6, rtol=1e-5)
    rows = backbone.encode(backbone.prepare(data))["item"]
    torch.testing.assert_close(rows["image"] + rows["text"], content, atol=1e-6, rtol=1e-5)


def test_without_features_it_is_matrix_factorisation() -> None:
    data = tiny_data(missing=0)
    for modality in graph.modalities(data):
        data[modality].x = torch.zeros_like(data[modality].x)
    backbone = made(data)
    torch.nn.init.zeros_(backbone.bias)
    expected = backbone.user.weight[:, :4] @ backbone.item.weight.T
    torch.testing.assert_close(scores(backbone, data), expected.detach())


def test_the_order_of_the_modalities_does_not_matter() -> None:
    data, other = tiny_data(missing=0), HeteroData()
    other["user"].num_nodes, other["item"].num_nodes = 30, 40
    for name, value in data["user", "interacts", "item"].items():
        other["user", "interacts", "item"][name] = value
    for modality in ("text", "image"):
        other[modality].x = data[modality].x
        other[graph.describes(modality)].edge_index = data[graph.describes(modality)].edge_index
    assert graph.modalities(other) == ["text", "image"]
    one, two = made(data), made(other)
    two.load_state_dict(one.state_dict())
    torch.testing.assert_close(scores(one, data), scores(two, other))


@pytest.mark.parametrize("user_side", ["shared", "vector"])
def test_batch_rows_give_the_loss_and_gradients_of_full_rows(user_side: str) -> None:
    data = tiny_data()
    batch_rows = made(data, user_side=user_side, reg=0.1)
    full_rows = copy.deepcopy(batch_rows)
    full_rows.rowwise = False  # type: ignore[misc]
    losses = []
    for backbone in (batch_rows, full_rows):
        recommender = Recommender(backbone)
        total = recommender.total(recommender.loss(backbone.prepare(data), BATCH))
        total.backward()
        losses.append(total.detach())
    torch.testing.assert_close(*losses)
    for mine, theirs in zip(batch_rows.parameters(), full_rows.parameters(), strict=True):
        torch.testing.assert_close(mine.grad, theirs.grad, atol=1e-6, rtol=1e-4)


def test_one_user_vector_per_modality() -> None:
    data = tiny_data()
    backbone = made(data, user_side="vector")
    gamma, theta_image, theta_text = backbone.user.weight.split(4, dim=1)
    rows = backbone.encode(backbone.prepare(data))
    item = rows["item"]
    expected = gamma @ item["id"].T + theta_image @ item["image"].T + theta_text @ item["text"].T
    torch.testing.assert_close(scores(backbone, data), expected.detach(), atol=1e-6, rtol=1e-5)
    user, items = Recommender(backbone).tables(data)
    assert user.size(1) == items.size(1) == 4 * 3
    assert torch.equal(backbone.modality_user("text", rows["user"]), theta_text)


def test_the_shared_factor_scores_every_modality() -> None:
    data = tiny_data()
    backbone = made(data)
    rows = backbone.encode(backbone.prepare(data))
    theta = backbone.user.weight[:, 4:]
    for modality in backbone.modalities:
        assert torch.equal(backbone.modality_user(modality, rows["user"]), theta)
    user, item = Recommender(backbone).tables(data)
    parts = sum(theta @ rows["item"][m].T for m in backbone.modalities)
    ids = rows["user"]["id"] @ rows["item"]["id"].T
    torch.testing.assert_close(user @ item.T, (ids + parts).detach(), atol=1e-6, rtol=1e-5)


def test_a_missing_modality_adds_nothing_and_no_bias() -> None:
    data = tiny_data(missing=2)
    backbone = made(data)
    text = backbone.encode(backbone.prepare(data))["item"]["text"]
    assert not text[3:5].any() and text[5:].any(1).all()


def test_regulariser_reads_the_full_rows() -> None:
    data = tiny_data()
    backbone = made(data, reg=0.1)
    user, item = Recommender(backbone).tables(data)
    terms = Recommender(backbone).loss(backbone.prepare(data), BATCH)
    expected = emb_norm(user[BATCH.user], item[BATCH.pos_item], item[BATCH.neg_item.flatten()])
    torch.testing.assert_close(terms["reg"].detach(), expected)
    assert "reg" not in Recommender(made(data)).loss(backbone.prepare(data), BATCH)


def test_maps_start_as_one_xavier_normal_map_without_bias() -> None:
    backbone = VBPR(
        num_users=3, num_items=4, in_channels={"image": 4000, "text": 400}, embedding_dim=64
    )
    std = (2 / (4400 + 64)) ** 0.5
    for modality in ("image", "text"):
        assert float(backbone.project[modality].linear.weight.detach().std()) == pytest.approx(
            std, rel=0.03
        )
    assert not backbone.bias.any()


def test_a_product_of_experts_in_place_of_the_sum() -> None:
    data = tiny_data(missing=2)
    backbone = made(data, fusion="poe")
    assert backbone.experts is not None
    rows = backbone.encode(backbone.prepare(data))["item"]
    masks = {m: graph.item_features(data, m)[1] for m in backbone.modalities}
    with torch.no_grad():
        content, _ = product_of_gaussians(backbone.experts.experts(rows), masks)
    gamma, theta = backbone.user.weight.split(4, dim=1)
    expected = gamma @ rows["id"].T + theta @ content.T
    torch.testing.assert_close(scores(backbone, data), expected.detach(), atol=1e-6, rtol=1e-5)
    one_expert = backbone.fuse({**rows, "text": torch.zeros_like(rows["text"])}, "item")
    torch.testing.assert_close(one_expert.views["mean"][3:5], content[3:5])  # text is no expert


@pytest.mark.parametrize("alpha_poe", [0.0, 0.01])
def test_the_product_passes_the_checks_of_a_backbone(alpha_poe: float) -> None:
    check_backbone(VBPR, fusion="poe", alpha_poe=alpha_poe)


def test_the_product_is_only_there_where_it_is_asked_for() -> None:
    data = tiny_data()
    assert not any("experts" in name for name in made(data).state_dict())
    plain, summed = made(data), made(data, fusion="sum")
    for one, other in zip(plain.parameters(), summed.parameters(), strict=True):
        assert torch.equal(one, other)


def test_batch_rows_give_the_loss_of_full_rows_with_the_product() -> None:
    data = tiny_data()
    batch_rows = made(data, fusion="poe")
    full_rows = copy.deepcopy(batch_rows)
    full_rows.rowwise = False  # type: ignore[misc]
    losses = []
    for backbone in (batch_rows, full_rows):
        recommender = Recommender(backbone)
        losses.append(recommender.total(recommender.loss(backbone.prepare(data), BATCH)))
        losses[-1].backward()
    torch.testing.assert_close(losses[0].detach(), losses[1].detach())
    for mine, theirs in zip(batch_rows.parameters(), full_rows.parameters(), strict=True):
        torch.testing.assert_close(mine.grad, theirs.grad, atol=1e-6, rtol=1e-4)


def test_the_fused_codes_divergence_from_the_prior() -> None:
    data = tiny_data()
    backbone = made(data, fusion="poe", alpha_poe=0.5)
    recommender = Recommender(backbone)
    prepared = backbone.prepare(data)
    terms = recommender.loss(prepared, BATCH)
    views = backbone.fuse(backbone.encode(prepared)["item"], "item").views
    items = torch.cat([BATCH.pos_item, BATCH.neg_item.flatten()])
    normal = torch.distributions.Normal
    code = normal(views["mean"][items], (0.5 * views["log_var"][items]).exp())
    expected = torch.distributions.kl_divergence(code, normal(0.0, 1.0)).sum(1).mean()
    torch.testing.assert_close(terms["poe_kl"], expected)
    assert recommender.loss_weights["poe_kl"] == 0.5
    assert not torch.equal(views["content"], views["mean"])  # drawn in training
    user, item = recommender.tables(data)
    assert torch.equal(recommender.tables(data)[1], item)
    torch.testing.assert_close(item[:, 4:], views["mean"].detach())
    plain = Recommender(made(data, fusion="poe"))
    assert "poe_kl" not in plain.loss(plain.backbone.prepare(data), BATCH)


def test_options() -> None:
    with pytest.raises(ConfigError, match="fusion'?: got 'product'"):
        VBPR(num_users=3, num_items=4, in_channels={"image": 5}, fusion="product")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="fusion: 'poe' makes one code of all modalities"):
        VBPR(num_users=3, num_items=4, in_channels={"image": 5}, user_side="vector", fusion="poe")
    for options in ({"alpha_poe": 0.1}, {"alpha_poe": -1.0, "fusion": "poe"}):
        with pytest.raises(ConfigError, match="alpha_poe: got"):
            VBPR(num_users=3, num_items=4, in_channels={"image": 5}, **options)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="user_side'?: got 'mean'"):
        VBPR(num_users=3, num_items=4, in_channels={"image": 5}, user_side="mean")  # type: ignore[arg-type]
