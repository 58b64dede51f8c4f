"""How popular the recommended items are: of each user's list, whatever was held out."""

from __future__ import annotations

import math

from torch import Tensor

from mrdib_graph.metrics.metric import Metric
from mrdib_graph.metrics.ranking import Ranking


class Novelty(Metric):
    r"""Mean self-information of the recommended items, in bits.

    With :math:`c_i` training interactions of item i and :math:`U` users,

    .. math:: \text{Novelty@}k = \frac1k \sum_{i \in L_u} -\log_2 \frac{\max(c_i, 1)}{U}

    from 0, where every user has the item, to :math:`\log_2 U`.  An item without a training
    interaction counts as one of one interaction.  Source: Zhou et al., "Solving the apparent
    diversity-accuracy dilemma of recommender systems", arXiv 0808.2670.
    """

    reads = ("lists",)
    limits = (0.0, math.inf)

    def compute(self, ranking: Ranking) -> Tensor:
        """Values [n] of the users of a ranking."""
        catalogue = ranking.catalogue
        share = catalogue.popularity.clamp(min=1).double() / catalogue.num_users
        return ranking.mean_over_list(-share.log2() + 0.0, self.k)


class Popularity(Metric):
    r"""Mean number of training interactions of the recommended items.

    .. math:: \text{Popularity@}k = \frac1k \sum_{i \in L_u} c_i

    Known as average recommendation popularity: Yin et al., "Challenging the Long Tail
    Recommendation", arXiv 1205.6700.
    """

    reads = ("lists",)
    greater_is_better = False
    limits = (0.0, math.inf)

    def compute(self, ranking: Ranking) -> Tensor:
        """Values [n] of the users of a ranking."""
        return ranking.mean_over_list(ranking.catalogue.popularity, self.k)


class ColdExposure(Metric):
    r"""Share of the recommended items that have no training interaction.

    .. math:: \text{ColdExposure@}k = \frac1k \sum_{i \in L_u} \mathbf 1[c_i = 0]
    """

    reads = ("lists",)
    greater_is_better = None

    def compute(self, ranking: Ranking) -> Tensor:
        """Values [n] of the users of a ranking."""
        return ranking.mean_over_list(ranking.catalogue.popularity == 0, self.k)
