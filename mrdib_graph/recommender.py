"""Where backbone, MRdIB, controls and losses meet: the page to read first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import torch
import torch.nn.functional as F
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
from mrdib_graph.losses import (
    Pairs,
    PairScores,
    RankingLoss,
    join_terms,
    join_weights,
    l2_half,
)
from mrdib_graph.mrdib import MRdIB, Scores
from mrdib_graph.nn import MissingCodes
from mrdib_graph.options import NonNegative, checked
from mrdib_graph.typing import Codes, Embeddings, Fused, Placement, Rows, Terms, Triplets


class Recommender(Module):
    r"""A backbone, with MRdIB or a control between its two functions, and the losses.

    Args:
        backbone: Makes the embeddings and fuses them.
        mrdib: The loss module; None for the bare backbone, which then costs nothing more.
        ranking_loss: Loss on scores of observed and sampled items: a name, a class or an instance
            of :class:`~mrdib_graph.losses.RankingLoss`, or ``"file.py:Class"``.  With one that is
            given, a backbone that trains by a loss of its own has it beside that, at weight 1.
            For None BPR, or the backbone's own loss alone.
        placement: ``'inline'``: the backbone fuses the codes, so the ranking loss is
            :math:`-\log p(y | z_1 .. z_M)`; ``'auxiliary'``: it fuses its own embeddings, and the
            terms only regularise them; the backbone's own default for None.
        control: A control arm in MRdIB's place.
        reg_fused: r of :math:`r\,(|U_u|^2 + |I_i|^2 + |I_j|^2) / 2B` on the *fused* rows, the
            regulariser that every comparison is tuned for.
        missing_codes: Learned rows for items that lack a modality; zero rows for None.

    Raises:
        ConfigError: MRdIB on a backbone without modalities, a placement that the backbone does not
            have, names that do not fit, two parts with a loss term of one name, missing codes
            where no score would read them, or a residual unique term with a loss that reads rows.
    """

    @checked
    def __init__(
        self,
        backbone: Backbone,
        mrdib: MRdIB | None = None,
        ranking_loss: str | type[RankingLoss] | RankingLoss | None = None,
        placement: Placement | None = None,
        control: Control | None = None,
        reg_fused: NonNegative = 0.0,
        missing_codes: MissingCodes | None = None,
    ) -> None:
        super().__init__()
        placement = placement or backbone.placements[0]
        if mrdib is not None and placement not in backbone.placements:
            raise ConfigError(
                f"placement: {_name(backbone)} has no {placement} one, since its modality "
                f"embeddings do not reach the score; expected {' or '.join(backbone.placements)}"
            )
        if missing_codes is not None and "inline" not in backbone.placements:
            raise ConfigError(
                f"missing_codes: the modality rows of {_name(backbone)} do not reach its score"
            )
        for part in (mrdib, control):
            if part is not None:
                backbone.check_modalities(part.modalities, _name(part))
        self.backbone = backbone
        self.mrdib = mrdib
        self.ranking_loss: RankingLoss = resolver.make(
            ranking_loss or "bpr", losses, RankingLoss, "ranking_loss"
        )
        self._by_own_loss = ranking_loss is None
        check_loss(mrdib, self.ranking_loss)
        self.placement = placement
        self.control = control
        self.reg_fused = reg_fused
        self.missing_codes = missing_codes
        join_weights(self._owned_weights)

    def loss(
        self, data: HeteroData, batch: Triplets, generator: torch.Generator | None = None
    ) -> Terms:
        """Every term of one training step, unweighted; :meth:`total` adds them up.

        Raises:
            ConfigError: Two owners of one term name, a term without a weight, or no tensor.
        """
        rowwise = self.backbone.rowwise
        pairs = Pairs.of(batch, self.ranking_loss.cosine)
        nodes = distinct_nodes(batch)
        place = nodes if rowwise else all_nodes(batch)  # where the batch stands in what is fused
        masks = graph.item_masks(data, self.modalities)
        in_batch = {m: mask[nodes.items] for m, mask in masks.items()}

        encoded = self._encode(data, nodes if rowwise else None, generator)
        codes = self._compress(encoded, in_batch if rowwise else masks, generator)
        to_fuse = rows = self._inline(encoded, codes)
        users = {**rows[graph.USER], **_samples(codes[graph.USER])}
        user, item = self._fuse(data, to_fuse, place)
        if not rowwise:  # the terms read rows of the batch's nodes only
            rows = take_rows(rows, nodes.users, nodes.items)
            index = {graph.USER: nodes.users, graph.ITEM: nodes.items}
            codes = {t: {m: code.take(index[t]) for m, code in codes[t].items()} for t in codes}

        fused = pairs.scores(user.out, item.out)
        terms = [("the recommender", {"ranking": self._rank(fused)})]
        step = Step(batch, rows, user, item, nodes.user_of, nodes.item_of)
        terms.append((_owner(self.backbone), self.backbone.auxiliary_loss(data, step)))
        if self.reg_fused:
            squares = l2_half(user.out, pairs.regularised(item.out), divisor=pairs.size)
            terms.append(("the recommender", {"reg_fused": squares}))
        if self.control is not None:
            of_nodes = {t: rows[t] for t in (graph.USER, graph.ITEM)}
            in_order = take_rows(of_nodes, nodes.user_of, pairs.regularised(nodes.item_of))
            rank = partial(self._rank_changed, data, to_fuse, place, pairs)
            terms.append((_owner(self.control), self.control.loss(in_order, rank, batch)))
        if self.mrdib is not None:
            items = self.mrdib.decode(codes[graph.ITEM])
            if (joint := self.backbone.joint_code(rows[graph.ITEM])) is not None:
                items[JOINT] = joint
            alone = CodeScores(
                self.backbone, pairs, users, items, in_batch, place.user_of, nodes.item_of
            )
            scores = Scores(fused, alone, in_batch)
            of_mrdib = self.mrdib(codes, scores, self._rank, generator=generator)
            terms.append((_owner(self.mrdib), of_mrdib))
        return join_terms(terms, self._owned_weights)

    def total(self, terms: Terms) -> Tensor:
        """The weighted sum that is minimised; a weight of 0 leaves its term out."""
        weights = self.loss_weights
        weighted = [weights[name] * term for name, term in terms.items() if weights[name]]
        return torch.stack(weighted).sum()

    @property
    def loss_weights(self) -> dict[str, float]:
        """Weight of every term by name; ranking weighs 1 unless the backbone says otherwise."""
        return join_weights(self._owned_weights)

    @property
    def _owned_weights(self) -> dict[str, Mapping[str, float]]:
        """Owner to the weights of its terms."""
        of_backbone = dict(self.backbone.loss_weights)
        ranking = of_backbone.pop("ranking", 1.0)
        if not ranking and not self._by_own_loss:
            ranking = 1.0
        own = {"ranking": ranking, "reg_fused": self.reg_fused}
        owned = {"the recommender": own, _owner(self.backbone): of_backbone}
        parts = [part for part in (self.control, self.mrdib) if part is not None]
        return {**owned, **{_owner(part): part.loss_weights for part in parts}}

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
            rows, _ = self._all_rows(data)
            if keep is not None:
                _check_names(keep, rows)
                item = {
                    name: x if name in keep else x.mean(0, keepdim=True).expand_as(x)
                    for name, x in rows[graph.ITEM].items()
                }
                rows = {**rows, graph.ITEM: item}
            user, item_rows = (self._whole(data, rows, t).out for t in (graph.USER, graph.ITEM))
        return self._scored(user), self._scored(item_rows)

    @torch.no_grad()
    def codes(self, data: HeteroData) -> Embeddings:
        """Means of the modality codes, and of the ID rows, of all users and items.

        A modality's user side is whatever scores the modality alone.
        """
        with eval_mode(self):
            data = self.backbone.prepare(data)
            rows, codes = self._all_rows(data)
            rows = {t: {**rows[t], **_samples(codes.get(t, {}))} for t in rows}
            user = {m: self.backbone.modality_user(m, rows["user"]) for m in self.modalities}
            item = {m: rows["item"][m] for m in self.modalities}
            if "id" in rows["user"] and "id" in rows["item"]:
                user["id"], item["id"] = rows["user"]["id"], rows["item"]["id"]
        of_type = {"user": user, "item": item}
        return {t: {m: self._scored(x) for m, x in of_type[t].items()} for t in of_type}

    @property
    def modalities(self) -> list[str]:
        """The backbone's modalities."""
        return self.backbone.modalities

    def _all_rows(self, data: HeteroData) -> tuple[Embeddings, dict[str, Codes]]:
        """The rows of all nodes that are fused, and the codes."""
        encoded = self._encode(data, None, None)
        codes = self._compress(encoded, graph.item_masks(data, self.modalities), None)
        return self._inline(encoded, codes), codes

    def _encode(
        self, data: HeteroData, nodes: BatchNodes | None, generator: torch.Generator | None
    ) -> Embeddings:
        """Rows of a batch's nodes, or of all for None, after the control had its say."""
        if nodes is None:
            rows = self._of_backbone(data)
        else:
            rows = split_rows(partial(self._of_backbone, data), nodes.users, nodes.items)
        if self.control is None:
            return rows
        perturbed = self.control.perturb(rows, generator)
        if not isinstance(perturbed, Mapping) or perturbed.keys() != rows.keys():
            raise ConfigError(
                f"{_name(self.control)}.perturb returned {type(perturbed).__name__}, expected rows "
                f"by node type as it was given them: {', '.join(rows)}"
            )
        return perturbed

    def _of_backbone(
        self, data: HeteroData, users: Tensor | None = None, items: Tensor | None = None
    ) -> Embeddings:
        """The backbone's rows of some nodes, or of all, with codes for what items lack."""
        rows = self.backbone.encoded(data, users, items)
        if self.missing_codes is None:
            return rows
        return {**rows, graph.ITEM: self.missing_codes(rows[graph.ITEM], data, items)}

    def _compress(
        self, rows: Embeddings, masks: Mapping[str, Tensor], generator: torch.Generator | None
    ) -> dict[str, Codes]:
        """Codes by node type, none without MRdIB; a missing row adds nothing to the fusion."""
        if self.mrdib is None:
            return {graph.USER: {}, graph.ITEM: {}}
        codes = {t: self.mrdib.compress(rows[t], generator) for t in (graph.USER, graph.ITEM)}
        learned = () if self.missing_codes is None else self.missing_codes.tables
        for m, mask in masks.items():
            if m in codes["item"] and m not in learned:
                code = codes["item"][m]
                keep = mask.unsqueeze(1)
                codes["item"][m] = code._replace(mean=code.mean * keep, sample=code.sample * keep)
        return codes

    def _inline(self, rows: Embeddings, codes: Mapping[str, Codes]) -> Embeddings:
        """The rows that are fused: with codes in place of embeddings where MRdIB is inline."""
        if self.mrdib is None or self.placement != "inline":
            return rows
        return {t: {**of_type, **_samples(codes.get(t, {}))} for t, of_type in rows.items()}

    def _fuse(self, data: HeteroData, rows: Embeddings, place: BatchNodes) -> tuple[Fused, Fused]:
        """The fused rows of a batch, users [B] and items [B + B n] or [B + n]."""
        user, item = (self._whole(data, rows, t) for t in (graph.USER, graph.ITEM))
        return user.take(place.user_of), item.take(place.item_of)

    def _whole(self, data: HeteroData, rows: Embeddings, node_type: str) -> Fused:
        """Fused rows, with what follows the fusion where the backbone has it."""
        fused = self.backbone.fused(rows[node_type], node_type)
        return fused if self.backbone.rowwise else self.backbone.propagate(fused, node_type, data)

    def _rank(self, scores: PairScores) -> Tensor:
        loss: Tensor = self.ranking_loss(scores.hardest())
        return loss

    def _rank_changed(
        self, data: HeteroData, rows: Embeddings, place: BatchNodes, pairs: Pairs, change: Change
    ) -> Tensor:
        """The ranking loss of what a control makes of the rows that are fused."""
        user, item = self._fuse(data, change(rows), place)
        return self._rank(pairs.scores(user.out, item.out))

    def _scored(self, rows: Tensor) -> Tensor:
        """Rows whose inner products are the scores: of length 1 where the loss reads cosines."""
        return F.normalize(rows, dim=-1, eps=1e-12) if self.ranking_loss.cosine else rows


@dataclass(eq=False)
class CodeScores(Mapping[str, PairScores]):
    """Scores of each code of a batch alone, each made when it is first asked for."""

    backbone: Backbone
    """Says which user rows score a modality."""

    pairs: Pairs
    """What the batch compares."""

    users: Rows
    """Name to the user rows that were fused."""

    codes: Rows
    """Modality to the decoded codes of the batch's distinct items."""

    masks: Mapping[str, Tensor]
    """Modality to which of these items have it."""

    user_of: Tensor
    """Row of each of the batch's users [B]."""

    item_of: Tensor
    """Row of each of its items, the observed first: [B + B n], or [B + n] with a pool."""

    _scores: dict[str, PairScores] = field(default_factory=dict, init=False)
    _gathered: dict[Tensor, Tensor] = field(default_factory=dict, init=False)  # often one for all

    def __iter__(self) -> Iterator[str]:
        return iter(self.codes)

    def __len__(self) -> int:
        return len(self.codes)

    def __getitem__(self, name: str) -> PairScores:
        if name not in self._scores:
            self._scores[name] = self._score(name)
        return self._scores[name]

    def _score(self, name: str) -> PairScores:
        table = self.backbone.modality_user(name, self.users)
        if table not in self._gathered:
            self._gathered[table] = table.index_select(0, self.user_of)
        item = self.codes[name].index_select(0, self.item_of)
        has = self.masks[name][self.item_of] if name in self.masks else None
        return self.pairs.scores(self._gathered[table], item, has)


def check_loss(mrdib: MRdIB | None, loss: RankingLoss) -> None:
    """Refuse a loss that the unique term cannot stand on.

    Raises:
        ConfigError: The term is residual, and the loss reads rows.
    """
    if mrdib is not None and mrdib.unique == "residual" and loss.reads_rows:
        raise ConfigError(
            f"unique: {_name(loss)} reads the rows behind a score, and the residual form scores by "
            "a sum of codes; use unique: alone, or another loss"
        )


def _name(part: Module) -> str:
    return type(part).__name__


def _owner(part: Module) -> str:
    """Of loss terms: a backbone and a control from files may have the same class name."""
    roles = {Backbone: "the backbone ", Control: "the control "}
    return "".join(word for cls, word in roles.items() if isinstance(part, cls)) + _name(part)


def _samples(codes: Codes) -> Rows:
    return {m: code.sample for m, code in codes.items()}


def _check_names(names: Sequence[str], rows: Embeddings) -> None:
    known = list(dict.fromkeys(name for t in (graph.USER, graph.ITEM) for name in rows[t]))
    unknown = [name for name in names if name not in known]
    if unknown:
        raise ConfigError(f"keep: got '{unknown[0]}', expected some of {', '.join(known)}")
