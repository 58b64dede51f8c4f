"""LateFusion against its formula, and the common checks with it around every backbone."""

from typing import Any, Self

import pytest
import torch
from torch_geometric.data import HeteroData

from mrdib_graph import LateFusion, MRdIB, Recommender, backbones, graph, resolver
from mrdib_graph.backbones import JOINT, LATTICE, SOIL, VBPR, Backbone, DualGNN, LightGCN
from mrdib_graph.controls import ContentLoss, ModalityDropout, NoContent
from mrdib_graph.errors import ConfigError
from mrdib_graph.experiment import build_arm, build_recommender
from mrdib_graph.experiment.config import Settings
from mrdib_graph.loader import TripletLoader
from mrdib_graph.row_names import rows_of
from mrdib_graph.testing import check_backbone, tiny_data

ALL = resolver.choices(backbones, Backbone)


def around(cls: type[Backbone]) -> type[LateFusion]:
    """Late fusion around one backbone, as a class that is built like any other."""

    class Around(LateFusion):
        @classmethod
        def from_data(cls_, data: HeteroData, **options: Any) -> Self:
            inner = cls.from_data(data, **options)
            return super().from_data(data, inner=inner)

    return Around


@pytest.mark.parametrize("name", sorted(ALL))
def test_passes_the_common_checks_around_every_backbone(name: str) -> None:
    check_backbone(around(ALL[name]))


def test_score_is_the_backbones_plus_one_product_for_each_modality() -> None:
    data = tiny_data()
    inner = VBPR.from_data(data, embedding_dim=8)
    model = LateFusion.from_data(data, inner=inner)
    user, item = Recommender(model).tables(data)
    inner_user, inner_item = Recommender(inner).tables(data)
    expected = inner_user @ inner_item.T
    *theta, joint = model.user.weight.detach().split(8, dim=1)
    for t, m in zip(theta, model.modalities, strict=True):
        x, mask = graph.item_features(model.prepare(data), m)
        linear = model.project[m].linear
        for i in range(graph.num_items(data)):
            if mask[i]:
                own, share = (linear.weight @ x[i].float() + linear.bias).detach().split(8)
                expected[:, i] += t @ own + joint @ share
    torch.testing.assert_close(user @ item.T, expected, atol=1e-5, rtol=1e-5)


def test_gives_modalities_to_a_backbone_that_has_none() -> None:
    data = tiny_data()
    model = LateFusion.from_data(data, inner=LightGCN.from_data(data, embedding_dim=8))
    assert model.modalities == graph.modalities(data)
    mrdib = MRdIB(model.modalities, 8, alpha_kl=1e-3, alpha_unique=0.1)
    recommender = Recommender(model, mrdib).train()
    batch = next(iter(TripletLoader(model.prepare(data), 16)))
    terms = recommender.loss(model.prepare(data), batch)
    assert {"kl", "redundancy", "unique", "ranking"} <= terms.keys()


def test_unique_term_reads_the_code_alone() -> None:
    data = tiny_data()
    model = LateFusion.from_data(data, inner=LATTICE.from_data(data, embedding_dim=8))
    with torch.no_grad():
        model.inner.item.weight.mul_(100)
    data = model.prepare(data)
    rows = model.encode(data)
    for m in model.modalities:
        assert torch.equal(model.modality_user(m, rows["user"]), rows["user"][m])
        assert f"backbone/{m}" in rows["item"]
        assert rows_of(rows["item"], m) == [f"backbone/{m}", m, f"joint/{m}"]


def test_unique_term_is_the_sum_over_the_codes_and_the_joint_one() -> None:
    data = tiny_data()
    model = LateFusion.from_data(data, inner=LightGCN.from_data(data, embedding_dim=8))
    data = model.prepare(data)
    mrdib = MRdIB(model.modalities, 8, alpha_redundancy=0, alpha_unique=0.1)
    recommender = Recommender(model, mrdib).train()
    batch = next(iter(TripletLoader(data, 16)))
    found = recommender.loss(data, batch)["unique"]
    rows = model.encode(data)
    rows["item"][JOINT] = sum(rows["item"][f"joint/{m}"] for m in model.modalities)
    masks = graph.item_masks(data, model.modalities)
    expected = 0.0
    for name in [*model.modalities, JOINT]:
        losses = []
        for u, i, j in zip(batch.user, batch.pos_item, batch.neg_item[:, 0], strict=True):
            if name in masks and not (masks[name][i] and masks[name][j]):
                continue
            user, item = rows["user"][name][u], rows["item"][name]
            losses.append(-torch.nn.functional.logsigmoid(user @ (item[i] - item[j])))
        expected = expected + torch.stack(losses).sum() / batch.user.numel()
    assert masks  # some triplets lack a modality, and count as 0
    torch.testing.assert_close(found, expected)


def test_no_content_silences_the_backbones_content_too() -> None:
    data = tiny_data()
    model = LateFusion.from_data(data, inner=VBPR.from_data(data, embedding_dim=8))
    _, item = Recommender(model, control=NoContent(model.modalities)).tables(data)
    assert item[:, :8].any()
    assert not item[:, 8:].any()


def test_modality_dropout_drops_both_rows_of_a_modality_together() -> None:
    data = tiny_data()
    model = LateFusion.from_data(data, inner=VBPR.from_data(data, embedding_dim=8))
    rows = model.encode(model.prepare(data))
    control = ModalityDropout(model.modalities, p=0.5).train()
    dropped = control.perturb(rows, torch.Generator().manual_seed(0))["item"]
    for m in model.modalities:
        own, inner = ((dropped[name] != 0).any(1) for name in (m, f"backbone/{m}"))
        present = graph.item_features(data, m)[1] & (rows["item"][m] != 0).any(1)
        assert torch.equal(own[present], inner[present])
        assert 0 < int(own.sum()) < int(present.sum())


def test_content_loss_keeps_the_codes() -> None:
    data = tiny_data()
    model = LateFusion.from_data(data, inner=LightGCN.from_data(data, embedding_dim=8))
    data = model.prepare(data)
    recommender = Recommender(model, control=ContentLoss(model.modalities, 0.1)).train()
    batch = next(iter(TripletLoader(data, 16)))
    terms = recommender.loss(data, batch)
    terms["content"].backward()
    assert all(bool(p.linear.weight.grad.any()) for p in model.project.values())


def test_knock_out_of_a_modality_reaches_every_row_of_it() -> None:
    data = tiny_data()
    model = LateFusion.from_data(data, inner=VBPR.from_data(data, embedding_dim=8))
    kept = model.content_names(["id", "image"])
    assert kept == ["id", "image", "joint/image", "backbone/image"]
    _, item = Recommender(model).tables(data, keep=kept)
    _, full = Recommender(model).tables(data)
    place = 16 + 8 * model.modalities.index("text")
    torch.testing.assert_close(item[:, :8], full[:, :8])
    assert (
        float((item[:, place : place + 8] - item[0, place : place + 8]).detach().abs().max()) == 0
    )
    no_ids = LateFusion.from_data(data, inner=LightGCN.from_data(data))
    assert no_ids.content_names(["text"]) == ["text", "joint/text"]


def test_weights_of_the_backbones_own_terms_follow_the_epoch() -> None:
    """SOIL's contrasts warm up over the epochs."""
    data = tiny_data()
    inner = SOIL.from_data(data, embedding_dim=8, contrast_warmup_epochs=4)
    recommender = Recommender(LateFusion.from_data(data, inner=inner)).train()
    data = recommender.backbone.prepare(data)
    seen = []
    for epoch in range(3):
        recommender.prepare_epoch(data, epoch, torch.Generator().manual_seed(0))
        assert recommender.loss_weights["contrast"] == inner.loss_weights["contrast"]
        seen.append(recommender.loss_weights["contrast"])
    assert len(set(seen)) > 1


def test_keeps_what_follows_the_fusion() -> None:
    data = tiny_data()
    inner = DualGNN.from_data(data, embedding_dim=8)
    model = LateFusion.from_data(data, inner=inner)
    assert not model.rowwise and not model.has_ids
    user, item = Recommender(model).tables(data)
    inner_user, inner_item = Recommender(inner).tables(data)
    width = inner_user.size(1)
    torch.testing.assert_close(user[:, :width], inner_user)
    torch.testing.assert_close(item[:, :width], inner_item)


def test_arms_on_late_fusion_start_from_the_arm_without() -> None:
    data = tiny_data()
    settings = Settings(
        embedding_dim=8,
        reg_fused=0.01,
        arms={
            "mrdib": {"reg_fused": 0.05, "alpha_unique": 0.3},
            "mrdib-late": {"alpha_kl": 0.1},
        },
    )
    plain = build_recommender(build_arm(settings, "vbpr", "mrdib"), data)
    late = build_recommender(build_arm(settings, "vbpr", "mrdib-late"), data)
    without = build_recommender(build_arm(settings, "vbpr", "no-unique-late"), data)
    assert isinstance(plain.backbone, VBPR)
    assert isinstance(late.backbone, LateFusion) and isinstance(late.backbone.inner, VBPR)
    assert late.mrdib is not None and late.mrdib.alpha_unique == 0.3 and late.mrdib.alpha_kl == 0.1
    assert without.mrdib is not None and without.mrdib.alpha_unique == 0
    assert without.mrdib.alpha_kl == 0.1 and without.reg_fused == late.reg_fused == 0.05
    assert plain.mrdib is not None and plain.mrdib.alpha_kl == 0
    lightgcn = LightGCN.from_data(data)
    assert build_arm(settings, "lightgcn", "mrdib").why_not(lightgcn, data)
    assert not build_arm(settings, "lightgcn", "mrdib-late").why_not(lightgcn, data)


def test_an_arm_stands_on_late_fusion_by_its_setting() -> None:
    data = tiny_data()
    settings = Settings(embedding_dim=8, arms={"mrdib": {"late_fusion": True}})
    lightgcn = LightGCN.from_data(data)
    late = {"mrdib", "no-unique", "mrdib-late", "bare-late"}  # an ablation follows the arm mrdib
    for name in ("bare", "mrdib", "no-unique", "paper", "mrdib-late", "bare-late"):
        arm = build_arm(settings, "lightgcn", name)
        reason = arm.why_not(lightgcn, data)
        assert bool(reason) == (name == "paper")
        if not reason:
            backbone = build_recommender(arm, data).backbone
            assert isinstance(backbone, LateFusion) == (name in late)
    torch.manual_seed(0)
    by_setting = build_recommender(build_arm(settings, "vbpr", "mrdib"), data).state_dict()
    torch.manual_seed(0)
    by_name = build_recommender(
        build_arm(Settings(embedding_dim=8), "vbpr", "mrdib-late"), data
    ).state_dict()
    assert by_setting.keys() == by_name.keys()
    assert all(torch.equal(by_setting[name], by_name[name]) for name in by_name)


def test_refuses_what_has_no_meaning() -> None:
    data = tiny_data()
    inner = LightGCN.from_data(data)
    with pytest.raises(ConfigError, match="needs one or more"):
        LateFusion(inner, {})
    with pytest.raises(ConfigError, match="already"):
        LateFusion(LateFusion.from_data(data, inner=inner), {"image": 3})
    with pytest.raises(ConfigError, match="inner=BACKBONE"):
        LateFusion.from_data(data, embedding_dim=8)
