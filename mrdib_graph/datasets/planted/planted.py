"""The embedded data set: drawn from factors whose information is known."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any, Literal

from torch import Tensor
from torch_geometric.data import HeteroData

from mrdib_graph import graph
from mrdib_graph.datasets.multimodal_dataset import MultimodalDataset
from mrdib_graph.datasets.planted.closed_form import closed_information, closed_split
from mrdib_graph.datasets.planted.config import PlantedConfig
from mrdib_graph.datasets.planted.generator import PlantedDraws, draw
from mrdib_graph.datasets.planted.modality_reading import read
from mrdib_graph.datasets.planted.oracle import Popularity, oracle_codes, oracle_score
from mrdib_graph.datasets.planted.truth import enumerated_bits, enumerated_split
from mrdib_graph.errors import ConfigError
from mrdib_graph.options import checked, options_of
from mrdib_graph.partial_information import PartialInformation
from mrdib_graph.typing import Embeddings

TruthKind = Literal["enumerated", "closed"]

CALIBRATION: dict[str, Any] = {
    "num_users": 2_000,
    "num_items": 1_000,
    "num_interactions": 50_000,
    "factor_dim": 4,
    "redundant": 0.7,
    "unique": 0.7,
    "synergy": 0.7,
    "collaborative": 0.7,
    "kappa": 3.0,
    "irrelevant": 2.0,
    "irrelevant_dim": 8,
}


class Planted(MultimodalDataset):
    r"""Users, items, interactions and features from planted redundant, unique, synergistic factors.

    Every group of factors g (``redundant``, one ``unique`` per modality, ``synergy`` of one pair of
    modalities, ``collaborative``) has item factors and unit tastes in K = ``factor_dim``
    dimensions, and its dial b_g:

    .. math::
        f_g(i) \sim N(0, I_K), \quad \lVert w_g(u) \rVert = 1, \quad
        s(u, i) = \sum_g b_g \langle w_g(u), f_g(i) \rangle, \quad
        p(i \mid u) \propto \mathrm{pop}_i \, e^{s(u, i)}

    A modality shows its latents l_m, stacked from the redundant factor, its unique one and its half
    of the synergy, beside variance that tells nothing:

    .. math::
        x_m(i) = Q_m [l_m(i) ; \mathrm{irrelevant} \cdot \nu_m(i)] + \mathrm{noise} \cdot \epsilon

    The halves of the synergy are ``f + kappa k`` and ``f - kappa k`` with a key k that tells
    nothing (``'mask'``: a sum of the two reads f), or two random signs whose product is f
    (``'product'``: no linear fusion reads it).

    The defaults are sparse, like shopping data; :meth:`calibration` is the setting in which the
    parts come apart best.  Test Recall@20, mean of seeds 0 to 4, deviation about 0.01; oracles know
    the tastes, read the factors from noisy features and add log training popularity:

    ================================= ================= =================
    recommender                       default           calibration
    ================================= ================= =================
    random                            .010              .020
    popularity                        .095              .122
    oracle, collaborative part        .116              .155
    oracle, image; text; audio        .190; .200; .182  .198; .196; .196
    oracle, content without synergy   .268              .282
    oracle, content                   .328              .332
    oracle, everything                .368              .388
    the same with true popularity     .392              .402
    ================================= ================= =================

    Args:
        options: The fields of :class:`PlantedConfig
            <mrdib_graph.datasets.planted.config.PlantedConfig>`, by name.

    Raises:
        ConfigError: An argument is out of range; the message names it.

    Note:
        Scores of all items are made up to 20,000 items; above, a user's items are taken from
        candidates drawn in proportion to popularity, and no [U, I] matrix exists.
    """

    name = "planted"

    @options_of(PlantedConfig, "planted")
    def __init__(self, config: PlantedConfig) -> None:
        super().__init__()
        self.config = config
        self.split_rule = (
            "random per user, max(1, round(0.1 n)) rows for test, as many for validation"
            + (f"; {config.cold_items:g} of the items cold" if config.cold_items else "")
            + f"; seed {config.seed}"
        )

    @classmethod
    def calibration(cls, **overrides: Any) -> Planted:
        """The dense setting with hard features, 1,000 items and all dials 0.7.

        Raw features make no useful item graph here, and 25 interactions a user let a factorisation
        learn most factors alone: a fair test of learned maps, and of the information profile.

        Args:
            overrides: Arguments of :class:`Planted` that replace the setting's own.
        """
        return cls(**(CALIBRATION | overrides))

    @cached_property
    def _draws(self) -> PlantedDraws:
        return draw(self.config)

    def load(self) -> HeteroData:
        """Draw the data set and write it as a graph; factors and tastes are never stored in it."""
        drawn = self._draws.interactions
        data = graph.new_graph(
            self.config.num_users,
            self.config.num_items,
            drawn.edge_index,
            drawn.val.long() + 2 * drawn.test.long(),
        )
        for modality, features in self._draws.features.items():
            items = features.present.nonzero().squeeze(1)
            graph.add_modality(data, modality, features.x[items], items)
        return data

    @checked
    def truth(self, pair: tuple[str, str], kind: TruthKind = "enumerated") -> PartialInformation:
        """Redundant, unique and synergistic bits of a pair of modalities.

        Args:
            pair: Two names of modalities.
            kind: ``'enumerated'``, exact on the drawn items and users, or ``'closed'``, the formula
                for an endless catalogue, which is about a third higher.  With ``'product'`` the
                formula takes signs as read without error, right to 0.001 bits at noise 0.3.

        Raises:
            ConfigError: The names are not two different modalities, or ``kind`` is unknown.
        """
        self._check_names(pair)
        if len(pair) != 2:
            raise ConfigError(f"pair: got {pair}, expected two names of modalities")
        if kind == "closed":
            return closed_split(self.config, pair)
        return enumerated_split(self.config, self._draws, pair)

    @checked
    def information(self, modalities: Sequence[str], kind: TruthKind = "enumerated") -> float:
        """I_A, the bits per interaction that the modalities together save over popularity.

        Raises:
            ConfigError: A modality is unknown or named twice, or ``kind`` is unknown.
        """
        self._check_names(modalities)
        if kind == "closed":
            return closed_information(self.config, modalities)
        reading = read(self.config, self._draws, modalities)
        return enumerated_bits(self.config, self._draws, [reading])[0]

    def oracle_codes(self) -> Embeddings:
        """Codes of a reader who knows the tastes: what the information profile is checked with.

        Returns:
            Per modality z_m(u) = (b_g w_g(u)) [U, d] and z_m(i), the posterior means of the factors
            given that modality alone [I, d], zeros where it is missing; d is 3 K for a modality of
            the synergy pair, else 2 K.  One half of a ``'product'`` reads as zeros.
        """
        return oracle_codes(self.config, self._draws)

    def true_factors(self) -> tuple[Tensor, Tensor]:
        """Tastes times dials [U, D] and item factors [I, D]; their products are the true scores.

        D is ``factor_dim`` for each group of factors, the collaborative one too; float32.
        """
        user, item = self._draws.factors.joint(self.config.dials)
        return user.float(), item.float()

    @checked
    def oracle_score(
        self,
        modalities: Sequence[str],
        *,
        synergy: bool = True,
        collaborative: bool = False,
        popularity: Popularity = "none",
    ) -> Callable[[Tensor], Tensor]:
        """Scores of a reader who knows the tastes and joins what the modalities show.

        Args:
            modalities: Names; none for the collaborative part or popularity alone.
            synergy: Whether the synergy factor is read.
            collaborative: Whether the collaborative factor is known too.
            popularity: Add log(training count + 1) (``'train'``) or the log popularity of the
                generator (``'true'``).

        Returns:
            A function from user ids [B] to scores [B, I], float32.

        Raises:
            ConfigError: A modality is unknown or named twice, or ``popularity`` is unknown.
        """
        self._check_names(modalities)
        return oracle_score(
            self.config,
            self._draws,
            modalities,
            synergy=synergy,
            collaborative=collaborative,
            popularity=popularity,
        )

    def _check_names(self, modalities: Sequence[str]) -> None:
        known = list(self.config.modalities)
        wrong = isinstance(modalities, str) or not set(modalities) <= set(known)
        if wrong or len(set(modalities)) != len(modalities):
            raise ConfigError(
                f"modalities: got {modalities!r}, expected different names among {known}"
            )
