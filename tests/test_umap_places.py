"""Maps of pages by UMAP, where it is installed."""

from __future__ import annotations

import numpy as np
import pytest

import latentknn as lk
from latentknn.pages import placing

umap = pytest.importorskip("umap", reason="UMAP is an extra", exc_type=ImportError)


def test_umap_places_similar_codes_together_from_exact_neighbours(monkeypatch):
    received = []

    class Noting(umap.UMAP):
        def fit_transform(self, codes):
            received.append(self.precomputed_knn)
            return super().fit_transform(codes)

    monkeypatch.setattr(umap, "UMAP", Noting)
    codes = np.random.default_rng(0).standard_normal((120, 6)) * 0.05 + np.repeat(np.eye(3, 6), 40, axis=0)
    first, second = (placing.place_items(codes, 120, seed=1) for _ in range(2))
    assert first.method == "UMAP"
    assert np.array_equal(first.places, second.places)
    expected = lk.cosine_search(codes, codes, k=15)
    assert np.array_equal(received[0][0], expected.ids)
    distances = np.linalg.norm(first.places[:, None] - first.places, axis=2)
    np.fill_diagonal(distances, np.inf)
    assert np.array_equal(distances.argmin(axis=1) // 40, np.arange(120) // 40)


def test_few_items_are_placed_by_t_sne():
    codes = np.random.default_rng(0).standard_normal((20, 4))
    assert placing.place_items(codes, 20, seed=0).method == "t-SNE"
