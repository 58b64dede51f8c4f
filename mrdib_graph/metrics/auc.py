"""The area under the ROC curve of each user's scores."""

from __future__ import annotations

from torch import Tensor

from mrdib_graph.metrics.metric import Metric
from mrdib_graph.metrics.ranking import Ranking


class AUC(Metric):
    r"""The chance that a held-out item is scored above another candidate, equal scores one half.

    With a user's held-out items :math:`P` and the other candidates :math:`N`, those that are
    neither held out nor masked,

    .. math::
        \text{AUC} = \frac{1}{|P|\,|N|} \sum_{p \in P} \sum_{n \in N}
                     \big(\mathbf 1[y_p > y_n] + \tfrac12 \mathbf 1[y_p = y_n]\big)

    1/2 is chance, and the value of a user without other candidates.  It has no cut-off: it counts
    the bottom of a ranking as much as its top.
    """

    reads = ("scores",)
    has_cutoff = False

    def compute(self, ranking: Ranking) -> Tensor:
        """Values [n] of the users of a ranking."""
        return ranking.share_below
