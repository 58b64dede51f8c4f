import pytest
import torch

from mrdib_graph.backbones import LATTICE, VBPR
from mrdib_graph.controls import NoContent
from mrdib_graph.recommender import Recommender


@pytest.mark.parametrize("training", [True, False])
def test_every_modality_row_of_items_is_zero_in_both_modes(rows, training):
    out = NoContent(["image", "text"]).train(training).perturb(rows)
    assert not out["item"]["image"].any() and not out["item"]["text"].any()
    assert out["item"]["id"] is rows["item"]["id"] and out["user"] is rows["user"]


@pytest.mark.parametrize("cls", [VBPR, LATTICE])
def test_scores_do_not_depend_on_the_features(make_tiny, cls):
    torch.manual_seed(0)
    data = make_tiny()
    backbone = cls.from_data(data, embedding_dim=6)
    recommender = Recommender(backbone, control=NoContent(backbone.modalities))
    user, item = recommender.tables(data)
    for m in ("image", "text"):
        data[m].x = torch.randn_like(data[m].x)
    user_2, item_2 = recommender.tables(data)
    assert torch.equal(user @ item.T, user_2 @ item_2.T)
    bare = Recommender(backbone).tables(data)
    assert not torch.equal(bare[0] @ bare[1].T, user @ item.T)
