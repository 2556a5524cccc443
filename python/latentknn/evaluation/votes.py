"""How the neighbours of a query decide: how many of them vote, and how much each counts."""

from dataclasses import dataclass

from latentknn.voting import WEIGHTS


@dataclass(frozen=True)
class Vote:
    """A rule that turns neighbours into a class; the parameters are those of `CosineKNNClassifier`.

    Parameters
    ----------
    k : int
        Number of neighbours that vote.
    weights : {"uniform", "similarity", "softmax"}
        Weight of a neighbour's vote.
    temperature : float
        Temperature of ``weights="softmax"``, in units of cosine similarity.
    """

    k: int
    weights: str = "uniform"
    temperature: float = 0.07

    def __str__(self) -> str:
        return f"k = {self.k}" if self.k == 1 else f"k = {self.k}, {self.weights} votes"


CANDIDATES = (
    Vote(1),
    *(Vote(k, weights) for k in (3, 5, 7, 9, 11, 15, 21, 31) for weights in WEIGHTS),
)
"""The votes among which an experiment chooses, fewest neighbours first; all votes of one are the same."""
