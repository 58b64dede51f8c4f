"""The information profile: unique, redundant and synergistic bits that codes carry."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch
from torch_geometric.data import HeteroData

from mrdib_graph.errors import ConfigError
from mrdib_graph.information.held_out_choices import held_out_choices
from mrdib_graph.information.knock_out import (
    Fuse,
    FusedScore,
    KnockOut,
    fused_score_by_mean,
    knock_out_table,
)
from mrdib_graph.information.measure import ALL, Measure
from mrdib_graph.information.profile_config import ProfileConfig
from mrdib_graph.information.result import InformationProfile, ModalityInformation
from mrdib_graph.information.rules import scores, total_correlation
from mrdib_graph.information.source_bits import SourceBits
from mrdib_graph.information.sources import check_codes, select_modalities
from mrdib_graph.typing import Embeddings


@torch.no_grad()
def information_profile(
    codes: Embeddings,
    data: HeteroData,
    config: ProfileConfig = ProfileConfig(),  # noqa: B008  (frozen)
    modalities: Sequence[str] | None = None,
    fused_score: FusedScore | None = None,
    fuse: Fuse | None = None,
) -> InformationProfile:
    r"""Measure how much each modality's codes tell about what users choose, in bits.

    A set A of modalities carries :math:`I_A = E_{(u, i)}[\log_2 p_A(i \mid u) - \log_2 q(i \mid
    u)]` bits per held-out interaction: the log loss that a cross-fitted conditional logit on its
    codes saves over popularity.  A pair parts as ``R = I_1 + I_2 - V``, ``U_1 = V - I_2``,
    ``U_2 = V - I_1``, ``S = I_12 - V``; the default union V takes its share from a Gaussian
    channel (BROJA, arXiv 1311.2852) and its bits from held-out interactions.

    The bits are what is usable by re-weighting code dimensions and by a linear reader of several
    codes (:mod:`mrdib_graph.information.joint_sources`): a lower bound.  Compare profiles
    on one data set and one split only.

    Args:
        codes: ``{'user': {name: [U, d]}, 'item': {name: [I, d]}}``, the means of the codes; names
            that are no modality of the graph (the backbone's own ``'id'``) join no pair.  Where
            users have no rows for a modality, the vectors that score it.  An item without the
            modality scores 0.
        data: The graph, with its split.
        config: How to measure.
        modalities: Names to split; None for every modality of the graph that has codes.
        fused_score: From the names kept to the recommender's fused user and item table, all other
            names replaced by their mean.  Lets I_12 count what its fusion makes of a pair, and
            gives the knock-out table.
        fuse: From codes to the fused tables: makes ``fused_score`` if that is None, and is needed
            for the knock-outs ``'shuffle'`` and ``'noise'``.

    Raises:
        ConfigError: An option or a name is unknown, pairs are asked of one modality, or a
            knock-out lacks ``fuse``.
        DataError: The codes do not fit the graph or hold NaN, no code is a modality, or fewer than
            500 interactions are held out.
    """
    check_codes(codes, data)
    names, own = select_modalities(codes, data, modalities)
    if config.pairs and len(names) < 2:
        raise ConfigError(
            f"modalities: got only '{names[0]}', pairs need two; set pairs=False for its bits alone"
        )
    if fused_score is None and fuse is not None:
        fused_score = fused_score_by_mean(codes, data, fuse)
    if fused_score is not None and fuse is None and set(config.knock_out) - {"mean"}:
        raise ConfigError(
            f"knock_out: {', '.join(config.knock_out)} needs the argument fuse; fused_score knows "
            "the mean only"
        )
    rows = held_out_choices(
        data, config.split, config.folds, config.candidates, config.max_interactions, config.seed
    )
    source_bits = SourceBits(rows, codes, data, names, own, config, fused_score)
    measure = Measure(source_bits, config)
    correlation = total_correlation(
        [
            scores(source_bits.columns[n].source, source_bits.single(n).weights[0], rows)[:, 1:]
            for n in names
        ]
    )
    pairs = list(itertools.combinations(names, 2)) if config.pairs else []
    knocked_out: tuple[KnockOut, ...] = ()
    if fused_score is not None:
        knocked_out = knock_out_table(
            codes,
            data,
            [*names, *own],
            config.knock_out,
            fused_score,
            fuse,
            source_bits.bits_of_tables,
            "val" if config.split == "val" else "test",
            config.seed,
        )
    return InformationProfile(
        rule=config.rule,
        target=config.target,
        split=config.split,
        ridge=source_bits.ridge,
        num_interactions=rows.user.numel(),
        num_users=rows.users[0].numel(),
        modalities=tuple(
            ModalityInformation(n, measure.bits((n,)), measure.difference(ALL, ("all without", n)))
            for n in names
        ),
        own=tuple(ModalityInformation(n, measure.bits((n,)), None) for n in own),
        pairs=tuple(measure.pair(pair) for pair in pairs),
        total=measure.bits(ALL),
        non_additive_gain=None
        if fused_score is None
        else measure.difference(ALL, ("all", "additive")),
        total_correlation=correlation,
        fused=None if fused_score is None else measure.bits(("fused",)),
        knock_out=knocked_out,
    )
