"""The common checks over every ranking loss, and over every loss with every sampler."""

import pytest
import torch

from mrdib_graph import losses, negatives, resolver
from mrdib_graph.backbones import VBPR
from mrdib_graph.controls import ContentLoss
from mrdib_graph.errors import ConfigError
from mrdib_graph.loader import TripletLoader
from mrdib_graph.losses import RankingLoss
from mrdib_graph.mrdib import MRdIB
from mrdib_graph.negatives import NegativeSampler
from mrdib_graph.recommender import Recommender
from mrdib_graph.testing import check_loss
from mrdib_graph.training import Trainer
from mrdib_graph.training.loss_sampler import loss_sampler
from mrdib_graph.training.trainer_config import TrainerConfig

LOSSES = resolver.choices(losses, RankingLoss)
SAMPLERS = resolver.choices(negatives, NegativeSampler)


@pytest.mark.parametrize("name", LOSSES)
def test_keeps_the_contract(name):
    check_loss(LOSSES[name])


def test_the_names_are_those_of_the_field():
    assert set(LOSSES) == {"bce", "bpr", "ccl", "directau", "fullsoftmax", "softmax"}


@pytest.mark.parametrize("negatives", SAMPLERS)
@pytest.mark.parametrize("name", LOSSES)
def test_every_term_stands_on_every_loss_and_sampler(tiny, name, negatives):
    if name == "fullsoftmax" and negatives != "all":
        with pytest.raises(ConfigError, match="negatives: got .* compares with all items"):
            Trainer(epochs=1, negatives=negatives).fit(
                Recommender(backbone_of(tiny), None, name), tiny
            )
        return
    batch = next(iter(TripletLoader(tiny, 16, generator=seeded(), negatives=negatives)))
    torch.manual_seed(0)
    backbone = backbone_of(tiny)
    method = MRdIB(backbone.modalities, 8, alpha_kl=0.1, kl_warmup_epochs=0)
    control = ContentLoss(backbone.modalities)
    recommender = Recommender(backbone, method, name, control=control, reg_fused=0.1)
    terms = recommender.loss(tiny, batch, seeded())
    assert {"ranking", "unique", "redundancy", "kl", "content", "reg_fused"} <= set(terms)
    total = recommender.total(terms)
    total.backward()
    assert torch.isfinite(total)
    grads = [p.grad for p in recommender.parameters() if p.grad is not None]
    assert grads and all(torch.isfinite(g).all() for g in grads)


@pytest.mark.parametrize("name", LOSSES)
def test_a_loss_names_its_sampler(name):
    own = loss_sampler(LOSSES[name](), TrainerConfig())
    assert type(own) is SAMPLERS[LOSSES[name].negatives]
    asked = loss_sampler(LOSSES[name](), TrainerConfig(negatives="all"))
    assert type(asked) is SAMPLERS["all"]
    pool = loss_sampler(
        None,
        TrainerConfig(num_negatives=7, negatives="popularity", negative_options={"exponent": 2}),
    )
    assert (pool.num_negatives, pool.exponent) == (7, 2)


def test_residual_terms_refuse_losses_that_read_rows(tiny):
    backbone = VBPR.from_data(tiny, embedding_dim=8)
    method = MRdIB(backbone.modalities, 8, unique="residual")
    for name, cls in LOSSES.items():
        if cls.reads_rows:
            with pytest.raises(ConfigError, match=f"unique: {cls.__name__} reads the rows"):
                Recommender(backbone, method, name)
        else:
            Recommender(backbone, method, name)


def test_cosine_losses_rank_by_cosines(tiny):
    backbone = VBPR.from_data(tiny, embedding_dim=8)
    plain, cosine = (Recommender(backbone, ranking_loss=name) for name in ("bpr", "ccl"))
    for one, other in zip(plain.tables(tiny), cosine.tables(tiny), strict=True):
        torch.testing.assert_close(other, torch.nn.functional.normalize(one, dim=1, eps=1e-12))
    for of_type in cosine.codes(tiny).values():
        for x in of_type.values():
            lengths = x.norm(dim=1)
            assert ((lengths - 1).abs().lt(1e-5) | (lengths == 0)).all()


def backbone_of(data):
    return VBPR.from_data(data, embedding_dim=8)


def seeded():
    return torch.Generator().manual_seed(0)
