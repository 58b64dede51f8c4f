"""Why a user gets an item: what each modality and the collaborative part add to the score."""

from mrdib_graph.explanation.explain import explain, explain_best, players_of
from mrdib_graph.explanation.result import COLLABORATIVE, Explanation
from mrdib_graph.explanation.shapley import shapley

__all__ = [
    "COLLABORATIVE",
    "Explanation",
    "explain",
    "explain_best",
    "players_of",
    "shapley",
]
