"""The predicted classes and the true classes of a test set."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn import metrics

from latentknn.classification.vote import Vote
from latentknn.evaluation.accuracy import Accuracy
from latentknn.notebook.one_line import one_line


@dataclass(frozen=True, eq=False)
class Classification:
    """A classified test set.

    Attributes
    ----------
    vote : Vote
        The vote that classified it.
    truth, predictions : ndarray of shape (M,), integer
        True and predicted classes, in [0, C).
    class_names : tuple of str
        Names of the C classes.

    Examples
    --------
    >>> import numpy as np
    >>> from latentknn.classification import Vote
    >>> from latentknn.evaluation import Classification
    >>> result = Classification(Vote(1), np.array([0, 1, 1]), np.array([0, 1, 0]), ("cat", "dog"))
    >>> result.accuracy.correct, result.confusion_matrix().tolist()
    (2, [[1, 0], [1, 1]])
    """

    vote: Vote
    truth: NDArray[np.integer[Any]]
    predictions: NDArray[np.integer[Any]]
    class_names: tuple[str, ...]

    __repr__ = one_line

    @property
    def accuracy(self) -> Accuracy:
        """The share of correct predictions."""
        return Accuracy(int(np.count_nonzero(self.truth == self.predictions)), len(self.truth))

    def confusion_matrix(self) -> NDArray[np.int64]:
        """Count images by true class (rows) and predicted class (columns), shape (C, C)."""
        matrix = metrics.confusion_matrix(
            self.truth, self.predictions, labels=np.arange(len(self.class_names))
        )
        return np.asarray(matrix, np.int64)

    def report(self) -> dict[str, Any]:
        """Return scikit-learn's classification report: precision, recall, F1 and support by class name."""
        report: dict[str, Any] = self._classification_report(output_dict=True)
        return report

    def report_text(self) -> str:
        """Return scikit-learn's classification report as a table."""
        return str(self._classification_report(digits=4))

    def _classification_report(self, **options: Any) -> Any:
        return metrics.classification_report(
            self.truth,
            self.predictions,
            labels=np.arange(len(self.class_names)),
            target_names=self.class_names,
            zero_division=0.0,
            **options,
        )
