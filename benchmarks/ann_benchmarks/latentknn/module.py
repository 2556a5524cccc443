"""latentknn for ann-benchmarks: exact search, in the form that its runner calls."""

import latentknn

from ..base.module import BaseANN


class LatentKNN(BaseANN):
    """An exact index of codes by their cosine similarity."""

    def __init__(self, metric):
        if metric != "angular":
            raise NotImplementedError(f"latentknn finds neighbours by the angle, not by the metric {metric}")
        self.name = "latentknn"

    def fit(self, X):
        self._index = latentknn.CosineIndex.from_codes(X)

    def query(self, q, n):
        return self._index.search(q.reshape(1, -1), n).ids[0]

    def batch_query(self, X, n):
        self._found = self._index.search(X, n)

    def get_batch_results(self):
        return self._found.ids

    def get_additional(self):
        explained = self._index.explain()
        return {
            "latentknn_version": latentknn.__version__,
            "isa": explained.isa,
            "strategy": explained.strategy,
        }
