"""SOIL against its equations and the hand-computed cases."""

import pytest
import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from mrdib_graph import graph
from mrdib_graph.backbones import SOIL
from mrdib_graph.errors import ConfigError
from mrdib_graph.recommender import Recommender
from mrdib_graph.testing import tiny_data
from mrdib_graph.typing import Triplets

BATCH = Triplets(torch.tensor([0, 1, 2]), torch.tensor([3, 3, 5]), torch.tensor([[6], [7], [8]]))


def made(data: HeteroData, **options) -> SOIL:
    torch.manual_seed(0)
    backbone = SOIL.from_data(data, **{"embedding_dim": 8, "k": 4, "k_interest": 3, **options})
    for gate in backbone.gate.values():
        torch.nn.init.normal_(gate.gate.weight)
    torch.nn.init.normal_(backbone.fuser.hidden.weight)
    torch.nn.init.normal_(backbone.fuser.score.weight, std=3.0)
    return backbone


def nce(a: Tensor, b: Tensor, temperature: float) -> Tensor:
    """The contrast of the formula, row by row."""
    total = torch.zeros(())
    for k in range(len(a)):
        scores = torch.stack([torch.cosine_similarity(a[k], row, dim=0) for row in b]) / temperature
        total = total - torch.log(torch.exp(scores[k]) / torch.exp(scores).sum())
    return total / len(a)


@pytest.mark.parametrize("modalities", [("image", "text"), ("image", "text", "audio")])
@pytest.mark.parametrize("side_scale", ["mean", "paper"])
def test_tables_are_the_formula_on_dense_matrices(
    modalities: tuple[str, ...], side_scale: str
) -> None:
    data = tiny_data(modalities=modalities)
    backbone = made(data, side_scale=side_scale).eval()
    ready = backbone.prepare(data)
    s = graph.operator(ready, backbone.second_order.nodes).dense()
    s_ui = graph.operator(ready, backbone.second_order.history).dense()
    p, q = backbone.user.weight.detach(), backbone.item.weight.detach()
    ids = torch.cat([p, q])
    c = (ids + s @ ids + s @ s @ ids) / 3
    e = []
    for m in modalities:
        x, _ = graph.item_features(data, m)
        linear, gate = backbone.project[m].linear, backbone.gate[m].gate
        content = x @ linear.weight.T + linear.bias
        y = q * torch.sigmoid(content @ gate.weight.T + gate.bias)
        i = graph.item_graph(ready, m, backbone.item_kind).dense() @ y
        e.append(torch.cat([s_ui @ i, i]))
    hidden, score = backbone.fuser.hidden, backbone.fuser.score
    logits = [torch.tanh(e_m @ hidden.weight.T + hidden.bias) @ score.weight.T for e_m in e]
    t = torch.cat(logits, 1).softmax(1)
    torch.testing.assert_close(t.sum(1), torch.ones(70))
    assert t.std(0).min() > 0.01
    side = sum((1 - t[:, [j]]) * e_m for j, e_m in enumerate(e))
    expected = c + side / (len(e) + 1 if side_scale == "mean" else 1)
    user, item = Recommender(backbone).tables(data)
    torch.testing.assert_close(torch.cat([user, item]), expected.detach())


def test_terms_are_the_formula() -> None:
    data = tiny_data()
    backbone = made(data, temperature=0.3, contrast_weight=0.1, pair_contrast_weight=0.05)
    ready = backbone.prepare(data)
    rows = backbone.encode(ready)
    users, items = (backbone.fuse(rows[t], t) for t in ("user", "item"))
    u, i = BATCH.user, BATCH.pos_item  # item 3 occurs twice: repeats stay
    side_u, side_i = users.views["side"][u], items.views["side"][i]
    c_u, c_i = rows["user"]["id"][u], rows["item"]["id"][i]
    out = users.out[u]
    recommender = Recommender(backbone)
    terms = recommender.loss(ready, BATCH)
    torch.testing.assert_close(terms["contrast"], nce(side_i, c_i, 0.3) + nce(side_u, c_u, 0.3))
    torch.testing.assert_close(terms["pair_contrast"], nce(out, c_i, 0.3) + nce(out, side_i, 0.3))
    total = terms["ranking"] + 0.1 * terms["contrast"] + 0.05 * terms["pair_contrast"]
    torch.testing.assert_close(recommender.total(terms), total)
    bare = Recommender(made(data, contrast_weight=0.0, pair_contrast_weight=0.0))
    assert list(bare.loss(ready, BATCH)) == ["ranking"]


def test_gates_of_zero_halve_the_ids() -> None:
    data = tiny_data()
    backbone = made(data)
    for gate in backbone.gate.values():
        torch.nn.init.zeros_(gate.gate.weight)
        torch.nn.init.zeros_(gate.gate.bias)
    ready = backbone.prepare(data)
    rows = backbone.encode(ready)["item"]
    for m in backbone.modalities:
        expected = graph.item_graph(ready, m, backbone.item_kind) @ (backbone.item.weight / 2)
        torch.testing.assert_close(rows[m], expected)


@pytest.mark.parametrize("count", [2, 3])
def test_equal_modalities_give_a_known_side_view(count: int) -> None:
    modalities = ("image", "text", "audio")[:count]
    backbone = made(tiny_data(modalities=modalities))
    e = torch.randn(5, 8, generator=torch.Generator().manual_seed(1))
    side = backbone.fuse({"id": torch.zeros(5, 8), **dict.fromkeys(modalities, e)}, "user").out
    torch.testing.assert_close(side, e * (count - 1) / (count + 1))  # e / 3 with two


def test_one_modality_is_halved() -> None:
    backbone = made(tiny_data(modalities=("image",)))
    e = torch.randn(5, 8, generator=torch.Generator().manual_seed(1))
    assert torch.equal(backbone.fuse({"id": torch.zeros(5, 8), "image": e}, "item").out, e / 2)


def test_every_parameter_gets_a_gradient() -> None:
    data = tiny_data()
    recommender = Recommender(made(data))
    data = recommender.backbone.prepare(data)
    recommender.total(recommender.loss(data, BATCH)).backward()
    for name, parameter in recommender.named_parameters():
        assert parameter.grad is not None and bool(parameter.grad.any()), name


def test_a_missing_modality_reaches_no_other_node() -> None:
    data = tiny_data(missing=3)  # items 3 to 5 have no text
    backbone = made(data)
    ready = backbone.prepare(data)
    before = backbone.encode(ready)
    assert not before["item"]["text"][3:6].any() and before["item"]["image"][3:6].any()
    with torch.no_grad():
        backbone.item.weight[3:6] += 1
    after = backbone.encode(ready)
    for node_type in ("user", "item"):
        assert torch.equal(after[node_type]["text"], before[node_type]["text"])
    assert not torch.equal(after["user"]["image"], before["user"]["image"])


def test_warm_up_of_the_contrasts_goes_on_after_a_checkpoint() -> None:
    data = tiny_data()
    options = {"contrast_weight": 0.1, "pair_contrast_weight": 0.2, "contrast_warmup_epochs": 4}
    backbone, fresh = made(data, **options), made(data, **options)
    generator = torch.Generator()
    seen = []
    for _ in range(5):
        backbone.prepare_epoch(data, generator)
        seen.append(backbone.loss_weights["contrast"])
    assert seen == pytest.approx([0.025, 0.05, 0.075, 0.1, 0.1])
    backbone.epochs_begun.fill_(2)
    fresh.load_state_dict(backbone.state_dict())
    assert fresh.loss_weights == pytest.approx({"contrast": 0.05, "pair_contrast": 0.1})
    assert made(data).loss_weights == {"contrast": 0.01, "pair_contrast": 0.01}


def test_options_reach_the_graphs() -> None:
    data = tiny_data(50, 40)
    options = {"k_second_order": 3, "second_order_weight": 1.0, "ra_norm": "published"}
    backbone = made(data, exclude_history=True, interest_count=False, **options)
    assert repr(backbone.second_order) == (
        "SecondOrderGraph(k=3, weight=1.0, ra_norm='published', exclude_history=True)"
    )
    expected = "InterestItemGraph(k=4, k_interest=3, interest_count=False)"
    assert repr(backbone.item_graphs) == expected
    published, block = backbone, made(data, exclude_history=True, k_second_order=3)
    tables = [Recommender(b).tables(data)[0] for b in (published, block)]
    assert not torch.allclose(*tables)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"side_scale": "sum"}, "side_scale'?: got 'sum', expected mean or paper"),
        ({"temperature": 0.0}, "temperature'?: got 0.0, expected more than 0"),
        ({"contrast_weight": -1.0}, "contrast_weight'?: got -1.0, expected 0 or more"),
        ({"pair_contrast_weight": -1.0}, "pair_contrast_weight'?: got -1.0, expected 0 or more"),
        (
            {"contrast_warmup_epochs": -1},
            "contrast_warmup_epochs'?: got -1, expected a whole number, 0 or more",
        ),
        ({"k": 0}, "k'?: got 0, expected a whole number, 1 or more"),
        ({"k_second_order": -1}, "k_second_order'?: got -1, expected a whole number, 0 or more"),
        ({"ra_norm": "published"}, "ra_norm: 'published' .* got 40 items, 30 users"),
    ],
)
def test_options(options: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        SOIL.from_data(tiny_data(), **options)


def test_needs_a_modality() -> None:
    with pytest.raises(ConfigError, match="the graph has no modality"):
        SOIL(num_users=3, num_items=4, in_channels={})
