import math

import pytest
import torch

from mrdib_graph.backbones import VBPR
from mrdib_graph.controls import ContentLoss
from mrdib_graph.errors import ConfigError
from mrdib_graph.loader import TripletLoader
from mrdib_graph.recommender import Recommender


def test_term_is_the_ranking_loss_of_the_score_without_the_id_part(tiny):
    torch.manual_seed(0)
    backbone = VBPR.from_data(tiny, embedding_dim=6)
    recommender = Recommender(backbone, control=ContentLoss(backbone.modalities, weight=0.3))
    batch = next(iter(TripletLoader(tiny, 16, num_negatives=2)))
    terms = recommender.loss(tiny, batch)
    with torch.no_grad():
        h = backbone.encode(tiny)
    loss = []
    for u, i, negatives in zip(*(t.tolist() for t in batch), strict=True):
        theta, item = h["user"]["theta"][u], h["item"]
        score = {j: (theta @ (item["image"][j] + item["text"][j])).item() for j in [i, *negatives]}
        loss += [math.log1p(math.exp(score[j] - score[i])) for j in negatives]
    assert terms["content"].item() == pytest.approx(sum(loss) / len(loss), rel=1e-5)
    assert set(terms) == {"ranking", "content"}
    assert recommender.loss_weights["content"] == 0.3
    torch.testing.assert_close(recommender.total(terms), terms["ranking"] + 0.3 * terms["content"])


def test_item_ids_get_no_gradient_from_it(tiny):
    torch.manual_seed(0)
    backbone = VBPR.from_data(tiny, embedding_dim=6)
    recommender = Recommender(backbone, control=ContentLoss(backbone.modalities))
    recommender.loss(tiny, next(iter(TripletLoader(tiny, 16))))["content"].backward()
    assert backbone.item.weight.grad is None
    assert backbone.project["image"].linear.weight.grad.any()


def test_rows_are_left_alone(rows):
    assert ContentLoss(["image"]).perturb(rows) is rows


def test_without_ids_it_is_refused(rows):
    item = {"image": rows["item"]["image"]}
    with pytest.raises(ConfigError, match="ContentLoss needs a backbone with rows named 'id'"):
        ContentLoss(["image"]).loss({"user": {}, "item": item}, lambda _: None, None)


def test_negative_weight_is_named():
    with pytest.raises(ConfigError, match=r"weight: got -1, expected 0 or more"):
        ContentLoss(["image"], weight=-1)
