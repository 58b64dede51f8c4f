"""Training on sampled subgraphs: with all neighbours a step is that of the whole graph."""

import copy

import pytest
import torch
from torch import Generator
from torch_geometric import typing

from mrdib_graph import LateFusion, backbones, graph, resolver
from mrdib_graph.backbones import BM3, FREEDOM, LATTICE, MGCN, SMORE, SOIL, VBPR, LightGCN, SLMRec
from mrdib_graph.backbones.backbone import Backbone, capabilities
from mrdib_graph.errors import ConfigError
from mrdib_graph.loader import NeighborLoader, TripletLoader
from mrdib_graph.mrdib import MRdIB
from mrdib_graph.recommender import Recommender
from mrdib_graph.subgraph import is_subgraph
from mrdib_graph.testing.tiny_data import tiny_data


class LateFreedom(LateFusion):
    """Late fusion around FREEDOM, built like any backbone."""

    @classmethod
    def from_data(cls, data, **options):
        return super().from_data(data, inner=FREEDOM.from_data(data, **options))


SAMPLED = [
    (LateFreedom, {"prune": 0.3}),
    (VBPR, {"reg": 0.1}),
    (VBPR, {"user_side": "vector"}),
    (LightGCN, {"num_layers": 3, "reg": 0.1}),
    (LightGCN, {"num_layers": 0}),
    (FREEDOM, {"prune": 0.3, "num_item_layers": 2}),
    (FREEDOM, {"prune": 0.0, "num_layers": 1, "user_side": "mean", "reg": 0.0}),
    (LATTICE, {"mix": 1.0, "num_item_layers": 2, "user_side": "vector"}),
    (LATTICE, {"mix": 1.0, "ui_norm": "sym", "user_side": "mean", "cf_model": "mf"}),
    (BM3, {"reg": 0.0, "user_side": "vector"}),
    (BM3, {"reg": 0.0, "user_side": "mean", "dropout": 0.0}),
    (MGCN, {"num_item_layers": 2}),
    (SMORE, {"num_layers": 1, "k": 4}),
    (SOIL, {"k": 4, "k_interest": 4}),
    (SLMRec, {"num_layers": 2}),
]

needs_sampler = pytest.mark.skipif(
    not (typing.WITH_PYG_LIB or typing.WITH_TORCH_SPARSE),
    reason="sampling needs torch-sparse or pyg-lib (the extra 'sampling')",
)


def step(recommender: Recommender, data, batch) -> dict[str, torch.Tensor]:
    """Loss, terms and gradients of one step, by name; the recommender stays as it is."""
    recommender = copy.deepcopy(recommender)
    torch.manual_seed(4)  # dropout
    terms = recommender.loss(data, batch, Generator().manual_seed(3))
    total = recommender.total(terms)
    torch.autograd.backward(total)
    found = {f"gradient of {n}": p.grad for n, p in recommender.named_parameters()}
    found |= {"loss": total.detach(), **{name: t.detach() for name, t in terms.items()}}
    return {name: value for name, value in found.items() if value is not None}


@needs_sampler
@pytest.mark.parametrize(("loss", "negatives"), [("bpr", "uniform"), ("softmax", "shared")])
@pytest.mark.parametrize(("cls", "options"), SAMPLED, ids=lambda v: getattr(v, "__name__", str(v)))
def test_with_all_neighbours_a_step_is_that_of_the_whole_graph(cls, options, loss, negatives):
    data = tiny_data(120, 160, missing=20)
    torch.manual_seed(0)
    backbone = cls.from_data(data, embedding_dim=8, **options)
    data = backbone.prepare(data)
    names = backbone.modalities
    mrdib = MRdIB(names, 8, alpha_kl=0.1, alpha_redundancy=0.1) if names else None
    recommender = Recommender(backbone, mrdib, loss, reg_fused=0.01).train()
    recommender.prepare_epoch(data, 0, Generator().manual_seed(1))
    full = TripletLoader(data, 8, 2, Generator().manual_seed(5), negatives).steps(data)
    sampled = NeighborLoader(
        data, lambda: backbone.sampling(data), [-1], 8, 2, Generator().manual_seed(5), negatives
    ).steps(data)
    for _ in range(2):
        whole, batch = next(full)
        sub, local = next(sampled)
        assert is_subgraph(sub) and not is_subgraph(whole)
        assert torch.equal(sub["user"].n_id[local.user], batch.user)
        assert torch.equal(sub["item"].n_id[local.neg_item], batch.neg_item)
        expected, got = step(recommender, whole, batch), step(recommender, sub, local)
        assert got.keys() == expected.keys()
        for name, value in expected.items():
            torch.testing.assert_close(got[name], value, atol=1e-6, rtol=1e-5, msg=name)


@needs_sampler
def test_the_subgraph_is_smaller_than_the_graph():
    data = tiny_data(400, 300)
    backbone = LightGCN.from_data(data, embedding_dim=8, num_layers=1)
    data = backbone.prepare(data)
    loader = NeighborLoader(data, lambda: backbone.sampling(data), [2], batch_size=4)
    sub, batch = next(loader.steps(data))
    assert sub["user"].num_nodes <= 4 + 8 * 2
    assert sub["item"].num_nodes <= 8 + 4 * 2
    assert graph.user_item_graph(sub).nnz <= (4 + 8) * 2
    assert batch.user.max() < 4


@pytest.mark.parametrize(
    ("cls", "options", "reason"),
    [
        (LATTICE, {}, "learned over all items"),
        (BM3, {}, "norm of the full tables"),
        (BM3, {"reg": 0.0, "train_features": True}, "train_features"),
        (FREEDOM, {"train_features": True}, "train_features"),
        (MGCN, {"train_features": True}, "train_features"),
        (SMORE, {"train_features": True}, "train_features"),
        (backbones.DualGNN, {}, "after the fusion"),
        (backbones.LGMRec, {}, "does not say which messages"),
    ],
)
def test_what_cannot_be_sampled_says_why(cls, options, reason):
    data = tiny_data()
    backbone = cls.from_data(data, embedding_dim=8, **options)
    for refuse in (backbone.check_sampled, lambda: backbone.sampling(data)):
        with pytest.raises(ConfigError, match=f"{cls.__name__} cannot .*{reason}.*loader=full"):
            refuse()


def test_every_backbone_that_can_be_sampled_is_checked():
    checked = {cls for cls, _ in SAMPLED}
    for cls in resolver.choices(backbones, Backbone).values():
        assert (cls in checked) == capabilities(cls).can_be_sampled


def test_a_backbone_that_only_says_it_can_passes_no_message():
    class Silent(LightGCN):
        sampling = Backbone.sampling

    assert not Silent.from_data(tiny_data()).sampling(tiny_data()).messages
    assert FREEDOM.from_data(tiny_data()).not_sampled is None
