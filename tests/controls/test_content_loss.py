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
    for u, i, negatives in zip(*(t.tolist() for t in batch[:3]), strict=True):
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


@pytest.mark.parametrize("user_side", ["shared", "vector"])
def test_its_gradient_is_that_of_unique_losses_that_ask_only_for_what_the_others_lack(
    tiny, user_side
):
    """Each modality's score beside those of the others held fixed, summed over the modalities."""
    torch.manual_seed(0)
    backbone = VBPR.from_data(tiny, embedding_dim=6, user_side=user_side)
    recommender = Recommender(backbone, control=ContentLoss(backbone.modalities))
    batch = next(iter(TripletLoader(tiny, 16)))
    recommender.loss(tiny, batch)["content"].backward()
    learned = {k: p for k, p in backbone.named_parameters() if p.grad is not None}
    of_content = {k: p.grad.clone() for k, p in learned.items()}

    backbone.zero_grad()
    h = backbone.encode(tiny)
    margin = {}
    for m in backbone.modalities:
        theta = backbone.modality_user(m, h["user"])[batch.user]
        positive, negative = (h["item"][m][x] for x in (batch.pos_item, batch.neg_item[:, 0]))
        margin[m] = (theta * (positive - negative)).sum(1)
    for m, mine in margin.items():
        others = sum(x.detach() for name, x in margin.items() if name != m)
        (-torch.nn.functional.logsigmoid(mine + others).mean()).backward(retain_graph=True)
    assert any(k.startswith("project") for k in of_content)
    for k, p in learned.items():
        torch.testing.assert_close(p.grad, of_content[k], rtol=1e-4, atol=1e-7)
