"""A backbone, a control and an estimator of your own: the page docs/how_to/extend.md."""

import torch
from torch.nn import Linear, ModuleDict

from mrdib_graph import graph
from mrdib_graph.backbones import Backbone, embedding
from mrdib_graph.controls import Control
from mrdib_graph.estimators import MIEstimator
from mrdib_graph.options import Share, checked


class MyBackbone(Backbone):
    """IDs plus a linear map of each modality: s(u, i) = p_u (q_i + sum_m W_m x_mi)."""

    loss_weights = {"size": 1e-3}

    def __init__(self, num_users, num_items, in_channels, embedding_dim=64):
        super().__init__(num_users, num_items, in_channels, embedding_dim)
        self.user, self.item = (embedding(n, embedding_dim) for n in (num_users, num_items))
        maps = {m: Linear(w, embedding_dim, bias=False) for m, w in in_channels.items()}
        self.maps = ModuleDict(maps)

    def encode(self, data):  # full tables by name: users and items [n, d]
        content = {m: self.maps[m](graph.item_features(data, m)[0]) for m in self.modalities}
        return {"user": {"id": self.user.weight}, "item": {"id": self.item.weight, **content}}

    def fuse(self, h, node_type):  # rows of each name [n, d], or codes, to one [n, d]
        return torch.stack(list(h.values())).sum(0)

    def auxiliary_loss(self, data, step):  # terms by name; their weights are in loss_weights
        return {"size": step.item.out.square().mean()}


class MixUp(Control):
    """In training, part of an item's content is that of another item of the batch."""

    @checked
    def __init__(self, modalities, share: Share = 0.2):
        super().__init__(modalities)
        self.share = share

    def perturb(self, rows, generator=None):
        share = self.share if self.training else 0.0
        item = dict(rows["item"])
        for m in self.modalities:
            item[m] = torch.lerp(item[m], item[m].roll(1, dims=0), share)
        return {**rows, "item": item}


class MyEstimator(MIEstimator):
    """Mean squared correlation of the columns: a dependence from 0 to 1, not nats."""

    in_nats = False

    def forward(self, z1, z2, generator=None):
        z1, z2 = (z - z.mean(0) for z in self.codes(z1, z2))  # checked, at least float32
        scale = (z1.square().mean(0) * z2.square().mean(0)).clamp_min(1e-8)
        return ((z1 * z2).mean(0).square() / scale).mean()
