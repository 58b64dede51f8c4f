"""Where backbone, MRdIB, controls and losses meet: the page to read first."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache, partial

import torch
from torch import Tensor
from torch.nn import Module
from torch_geometric.data import HeteroData

from mrdib_graph import graph, losses, resolver
from mrdib_graph.backbones import JOINT, Backbone, Step, take_rows
from mrdib_graph.controls import Control
from mrdib_graph.controls.control import Change
from mrdib_graph.distributed import split_rows
from mrdib_graph.errors import ConfigError
from mrdib_graph.eval_mode import eval_mode
from mrdib_graph.loader.batch_nodes import BatchNodes, all_nodes, distinct_nodes
from mrdib_graph.losses import PairScores, RankingLoss, inner_scores, l2_half, split_items
from mrdib_graph.mrdib import MRdIB, synergy_hinge
from mrdib_graph.nn import MissingCodes
from mrdib_graph.typing import Embeddings, Fused, GaussianCode, Placement, Rows, Terms, Triplets

Codes = dict[str, dict[str, GaussianCode]]


class Recommender(Module):
    r"""A backbone, with MRdIB or a control between its two functions, and the losses.

    Args:
        backbone: Makes the embeddings and fuses them.
        mrdib: The loss module; None for the bare backbone, which then costs nothing more.
        ranking_loss: Loss on scores of observed and sampled items: a name, a class or an instance
            of :class:`~mrdib_graph.losses.RankingLoss`, or ``"file.py:Class"``.
        placement: ``'inline'``: the backbone fuses the codes, so the ranking loss is
            :math:`-\log p(y | z_1 .. z_M)`; ``'auxiliary'``: it fuses its own embeddings, and the
            terms only regularise them; the backbone's own default for None.
        control: A control arm in MRdIB's place.
        reg_fused: r of :math:`r\,(|U_u|^2 + |I_i|^2 + |I_j|^2) / 2B` on the *fused* rows, the
            regulariser that every comparison is tuned for.
        missing_codes: Learned rows for items that lack a modality; zero rows for None.

    Raises:
        ConfigError: MRdIB on a backbone without modalities, a placement that the backbone does not
            have, names that do not fit, or missing codes where no score would read them.
    """

    def __init__(
        self,
        backbone: Backbone,
        mrdib: MRdIB | None = None,
        ranking_loss: str | type[RankingLoss] | RankingLoss = "bpr",
        placement: Placement | None = None,
        control: Control | None = None,
        reg_fused: float = 0.0,
        missing_codes: MissingCodes | None = None,
    ) -> None:
        super().__init__()
        placement = placement or backbone.placements[0]
        if placement not in ("inline", "auxiliary"):
            raise ConfigError(f"placement: got {placement!r}, expected inline or auxiliary")
        if mrdib is not None and placement not in backbone.placements:
            raise ConfigError(
                f"placement: {type(backbone).__name__} has no {placement} one, since its modality "
                f"embeddings do not reach the score; expected {' or '.join(backbone.placements)}"
            )
        if missing_codes is not None and "inline" not in backbone.placements:
            name = type(backbone).__name__
            raise ConfigError(f"missing_codes: the modality rows of {name} do not reach its score")
        if not reg_fused >= 0:
            raise ConfigError(f"reg_fused: got {reg_fused}, expected 0 or more")
        for part in (mrdib, control):
            if part is not None:
                backbone.check_modalities(part.modalities, type(part).__name__)
        self.backbone = backbone
        self.mrdib = mrdib
        self.ranking_loss: RankingLoss = resolver.make(
            ranking_loss, losses, RankingLoss, "ranking_loss"
        )
        self.placement = placement
        self.control = control
        self.reg_fused = reg_fused
        self.missing_codes = missing_codes

    def loss(
        self, data: HeteroData, batch: Triplets, generator: torch.Generator | None = None
    ) -> Terms:
        """Every term of one training step, unweighted; :meth:`total` adds them up."""
        nodes = distinct_nodes(batch)
        rows, codes = self._rows(data, nodes.users, nodes.items, generator)
        place = nodes if self.backbone.rowwise else all_nodes(batch)
        user, item = self._fuse(data, rows, place)
        encoded = rows  # what fuse is given: full tables where the backbone is not row-wise
        scoring = {**rows[graph.USER], **_samples(codes.get(graph.USER, {}))}
        if not self.backbone.rowwise:  # the terms read rows of the batch's nodes only
            rows = take_rows(rows, nodes.users, nodes.items)
            codes = {
                t: {m: code.take(index) for m, code in codes.get(t, {}).items()}
                for t, index in ((graph.USER, nodes.users), (graph.ITEM, nodes.items))
            }
        fused = inner_scores(user.out, item.out)
        terms: Terms = {"ranking": fused.loss(self.ranking_loss)}
        step = Step(batch, rows, user, item, nodes.user_of, nodes.item_of)
        terms |= self.backbone.auxiliary_loss(data, step)
        if self.reg_fused:
            terms["reg_fused"] = l2_half(user.out, item.out, divisor=batch.user.numel())
        if self.control is not None:

            def rank(change: Change) -> Tensor:
                changed = (x.out for x in self._fuse(data, change(encoded), place))
                return inner_scores(*changed).loss(self.ranking_loss)

            of_nodes = {t: rows[t] for t in (graph.USER, graph.ITEM)}
            in_order = take_rows(of_nodes, nodes.user_of, nodes.item_of)
            terms |= self.control.loss(in_order, rank, batch)
        if self.mrdib is not None:
            found = graph.item_masks(data, self.modalities).items()
            masks = {m: mask[nodes.items] for m, mask in found}
            names, decoders = self.mrdib.modalities, self.mrdib.decoders
            items = {m: decoders[m](code.sample) for m, code in codes[graph.ITEM].items()}
            if (joint := self.backbone.joint_code(rows[graph.ITEM])) is not None:
                items[JOINT] = joint

            # many backbones score every modality by the same user rows
            of_users = cache(lambda rows: rows.index_select(0, place.user_of))

            @cache  # the unique and the synergy term read the same scores
            def alone(m: str) -> PairScores:
                mine = of_users(self.backbone.modality_user(m, scoring))
                return self._alone(m, mine, items[m], masks, nodes)

            def unique(m: str) -> Tensor:
                residual = self.mrdib is not None and self.mrdib.unique == "residual"
                others = [alone(other) for other in items if other != m] if residual else []
                return alone(m).beside(others).loss(self.ranking_loss)

            terms |= self.mrdib(
                codes,
                unique,
                masks,
                generator=generator,
                alone=list(items),
                synergy_loss=lambda margin: synergy_hinge(fused, [alone(m) for m in names], margin),
            )
        return terms

    def total(self, terms: Terms) -> Tensor:
        """The weighted sum that is minimised; a weight of 0 leaves its term out."""
        weights = self.loss_weights
        weighted = [weights[name] * term for name, term in terms.items() if weights[name]]
        return torch.stack(weighted).sum()

    @property
    def loss_weights(self) -> dict[str, float]:
        """Weight of every term by name; ranking weighs 1."""
        weights = {"ranking": 1.0, "reg_fused": self.reg_fused, **self.backbone.loss_weights}
        for part in (self.control, self.mrdib):
            if part is not None:
                weights |= part.loss_weights
        return weights

    @property
    def learned_weights(self) -> dict[str, float]:
        """Present weight of the terms whose weight is learned; empty where all are fixed."""
        return {} if self.mrdib is None else self.mrdib.learned_weights

    def prepare_epoch(
        self, data: HeteroData, epoch: int, generator: torch.Generator, resumed: bool = False
    ) -> None:
        """Called before each epoch, counted from 0, and where one is ``resumed`` in its middle."""
        if not resumed:
            self.backbone.prepare_epoch(data, generator)
        if self.mrdib is not None:
            counts = {graph.USER: graph.num_users(data), graph.ITEM: graph.num_items(data)}
            counts["interactions"] = graph.interactions(data, "train").size(1)
            self.mrdib.prepare_epoch(epoch, counts)

    @torch.no_grad()
    def tables(self, data: HeteroData, keep: Sequence[str] | None = None) -> tuple[Tensor, Tensor]:
        """The scored tables, [U, w] and [I, w]: computed once, without noise.

        Args:
            data: The graph; derived graphs that are missing are built.
            keep: Names whose item rows stay as they are; every other name's are replaced by
                their mean (a knock-out without retraining: a constant row ranks nothing, so the
                users' side need not change).  None keeps all.

        Raises:
            ConfigError: A name that no rows have.
        """
        with eval_mode(self):
            data = self.backbone.prepare(data)
            rows, _ = self._rows(data, None, None, None)
            if keep is not None:
                _check_names(keep, rows)
                item = {
                    name: x if name in keep else x.mean(0, keepdim=True).expand_as(x)
                    for name, x in rows[graph.ITEM].items()
                }
                rows = {**rows, graph.ITEM: item}
            user, item_rows = (self._whole(data, rows, t).out for t in (graph.USER, graph.ITEM))
        return user, item_rows

    @torch.no_grad()
    def codes(self, data: HeteroData) -> Embeddings:
        """Means of the modality codes, and of the ID rows, of all users and items.

        A modality's user side is whatever scores the modality alone.
        """
        with eval_mode(self):
            data = self.backbone.prepare(data)
            rows, codes = self._rows(data, None, None, None)
            rows = {t: {**rows[t], **_samples(codes.get(t, {}))} for t in rows}
            user = {m: self.backbone.modality_user(m, rows["user"]) for m in self.modalities}
            item = {m: rows["item"][m] for m in self.modalities}
            if "id" in rows["user"] and "id" in rows["item"]:
                user["id"], item["id"] = rows["user"]["id"], rows["item"]["id"]
        return {"user": user, "item": item}

    @property
    def modalities(self) -> list[str]:
        """The backbone's modalities."""
        return self.backbone.modalities

    def _rows(
        self,
        data: HeteroData,
        users: Tensor | None,
        items: Tensor | None,
        generator: torch.Generator | None,
    ) -> tuple[Embeddings, Codes]:
        """Rows that are fused, and codes: of a batch, or of all nodes for None.

        A backbone that is not row-wise gets full tables either way.
        """
        if users is None or items is None or not self.backbone.rowwise:
            rows = self._encode(data)
            masks = graph.item_masks(data, self.modalities)
        else:
            rows = split_rows(partial(self._encode, data), users, items)
            masks = {m: mask[items] for m, mask in graph.item_masks(data, self.modalities).items()}
        if self.control is not None:
            rows = self.control.perturb(rows, generator)
        if self.mrdib is None:
            return rows, {}
        codes = {t: self.mrdib.compress(rows[t], generator) for t in (graph.USER, graph.ITEM)}
        learned = () if self.missing_codes is None else self.missing_codes.tables
        for m, mask in masks.items():
            if m in codes["item"] and m not in learned:  # a missing row adds nothing to the fusion
                code = codes["item"][m]
                keep = mask.unsqueeze(1)
                codes["item"][m] = code._replace(mean=code.mean * keep, sample=code.sample * keep)
        if self.placement == "inline":
            rows = {t: {**of_type, **_samples(codes.get(t, {}))} for t, of_type in rows.items()}
        return rows, codes

    def _encode(
        self, data: HeteroData, users: Tensor | None = None, items: Tensor | None = None
    ) -> Embeddings:
        """The backbone's rows of some nodes, or of all, with codes for what items lack."""
        rows = self.backbone.encoded(data, users, items)
        if self.missing_codes is None:
            return rows
        return {**rows, graph.ITEM: self.missing_codes(rows[graph.ITEM], data, items)}

    def _fuse(self, data: HeteroData, rows: Embeddings, place: BatchNodes) -> tuple[Fused, Fused]:
        """The fused rows of a batch, users [B] and items [B + B n]."""
        user, item = (self._whole(data, rows, t) for t in (graph.USER, graph.ITEM))
        return user.take(place.user_of), item.take(place.item_of)

    def _whole(self, data: HeteroData, rows: Embeddings, node_type: str) -> Fused:
        """Fused rows, with what follows the fusion where the backbone has it."""
        fused = self.backbone.fused(rows[node_type], node_type)
        return fused if self.backbone.rowwise else self.backbone.propagate(fused, node_type, data)

    def _alone(
        self, m: str, mine: Tensor, code: Tensor, masks: dict[str, Tensor], nodes: BatchNodes
    ) -> PairScores:
        """Scores of one code alone: ``mine`` has a row for each of the batch, the rest by node."""
        positive, negative = split_items(nodes.item_of, nodes.user_of.numel())
        pairs = torch.cat([positive.unsqueeze(1), negative], 1)  # [B, 1 + n]: one product for all
        rows = code.index_select(0, pairs.flatten()).view(*pairs.shape, -1)
        scores = self.backbone.modality_score(m, mine, rows)
        present = masks[m][pairs] if m in masks else None
        both = None if present is None else present[:, :1] & present[:, 1:]
        return PairScores(scores[:, 0], scores[:, 1:], both)


def _samples(codes: dict[str, GaussianCode]) -> Rows:
    return {m: code.sample for m, code in codes.items()}


def _check_names(names: Sequence[str], rows: Embeddings) -> None:
    known = list(dict.fromkeys(name for t in (graph.USER, graph.ITEM) for name in rows[t]))
    unknown = [name for name in names if name not in known]
    if unknown:
        raise ConfigError(f"keep: got '{unknown[0]}', expected some of {', '.join(known)}")
