import pytest
import torch

from mrdib_graph.backbones import VBPR
from mrdib_graph.controls import SplitL2
from mrdib_graph.errors import ConfigError
from mrdib_graph.loader import TripletLoader
from mrdib_graph.recommender import Recommender


def test_term_is_half_the_squared_id_rows_per_observed_pair(tiny):
    torch.manual_seed(0)
    backbone = VBPR.from_data(tiny, embedding_dim=6)
    recommender = Recommender(backbone, control=SplitL2(backbone.modalities, weight=0.7))
    batch = next(iter(TripletLoader(tiny, 16, num_negatives=3)))
    terms = recommender.loss(tiny, batch)
    user, item = backbone.user.weight[:, :6], backbone.item.weight
    total = 0.0
    for u, i, negatives in zip(*(t.tolist() for t in batch[:3]), strict=True):
        total += sum(x**2 for x in user[u].tolist())
        total += sum(x**2 for j in [i, *negatives] for x in item[j].tolist())
    assert terms["split_l2"].item() == pytest.approx(total / (2 * 16), rel=1e-5)
    assert set(terms) == {"ranking", "split_l2"}
    assert recommender.loss_weights["split_l2"] == 0.7


def test_beside_reg_fused_the_ids_weigh_one_point_six_times(tiny):
    """reg_fused r with w = 0.6 r: the ID part's L2 gradient is 1.6 times r, the content's r."""
    torch.manual_seed(0)
    backbone = VBPR.from_data(tiny, embedding_dim=6)
    batch = next(iter(TripletLoader(tiny, 16)))
    control = SplitL2(backbone.modalities, weight=0.6 * 0.05)
    recommender = Recommender(backbone, control=control, reg_fused=0.05)
    terms = recommender.loss(tiny, batch)
    weights = recommender.loss_weights
    (weights["reg_fused"] * terms["reg_fused"]).backward(retain_graph=True)
    alone = backbone.user.weight.grad.clone()
    (weights["split_l2"] * terms["split_l2"]).backward()
    both = backbone.user.weight.grad
    torch.testing.assert_close(both[:, :6], 1.6 * alone[:, :6])
    torch.testing.assert_close(both[:, 6:], alone[:, 6:])


def test_rows_are_left_alone(rows):
    assert SplitL2(["image"]).perturb(rows) is rows


def test_without_ids_it_is_refused(rows):
    item = {"image": rows["item"]["image"]}
    with pytest.raises(ConfigError, match="SplitL2 needs a backbone with rows named 'id'"):
        SplitL2(["image"]).loss({"user": item, "item": item}, lambda _: None, None)


def test_negative_weight_is_named():
    with pytest.raises(ConfigError, match=r"weight: got -0\.5, expected 0 or more"):
        SplitL2(["image"], weight=-0.5)
