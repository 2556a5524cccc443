"""Every public function that accepts codes, labels or ids, for tests of its arguments."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import latentknn as lk

CODES = np.random.default_rng(0).standard_normal((24, 4), np.float32)
QUERIES = np.random.default_rng(1).standard_normal((5, 4), np.float32)
LABELS = np.array(["shoe", "bag", "coat"])[np.arange(24) % 3]


def fitted() -> lk.CosineKNNClassifier:
    return lk.CosineKNNClassifier(3).fit(CODES, LABELS)


def fitted_per_class() -> lk.ClassConditionalKNNClassifier:
    return lk.ClassConditionalKNNClassifier(3).fit(CODES, LABELS)


def index(engine: str = "cpu") -> lk.CosineIndex:
    return lk.CosineIndex.from_codes(CODES, LABELS, engine=engine)


# Each public function that accepts codes or queries, as a function of them that returns its results.
TAKE_CODES: dict[str, Callable[[Any], Any]] = {
    "from_codes": lambda codes: lk.CosineIndex.from_codes(codes).codes,
    "from_codes, faiss": lambda codes: lk.CosineIndex.from_codes(codes, engine="faiss").codes,
    "add": lambda codes: (each := lk.CosineIndex(4)).add(codes) or each.codes,
    "cosine_search, codes": lambda codes: lk.cosine_search(codes, QUERIES, 3).ids,
    "cosine_search, queries": lambda codes: lk.cosine_search(CODES, codes, 3).similarities,
    "search": lambda codes: index().search(codes, 3).similarities,
    "search, faiss": lambda codes: index("faiss").search(codes, 3).ids,
    "search_per_class": lambda codes: index().search_per_class(codes, 2).similarities,
    "recall": lambda codes: index().recall(codes, 2),
    "fit": lambda codes: lk.CosineKNNClassifier().fit(codes, np.arange(len(CODES)) % 2).index_.codes,
    "predict": lambda codes: fitted().predict(codes),
    "predict_proba": lambda codes: fitted().predict_proba(codes),
    "kneighbors": lambda codes: fitted().kneighbors(codes)[0],
    "score": lambda codes: fitted().score(codes, LABELS),
    "fit per class": lambda codes: lk.ClassConditionalKNNClassifier().fit(codes, LABELS).index_.codes,
    "predict per class": lambda codes: fitted_per_class().predict(codes),
    "predict_proba per class": lambda codes: fitted_per_class().predict_proba(codes),
}
TAKE_LABELS: dict[str, Callable[[Any], Any]] = {
    "from_codes": lambda labels: lk.CosineIndex.from_codes(CODES, labels),
    "add": lambda labels: lk.CosineIndex(4).add(CODES, labels),
    "fit": lambda labels: lk.CosineKNNClassifier().fit(CODES, labels),
    "fit per class": lambda labels: lk.ClassConditionalKNNClassifier().fit(CODES, labels),
}
TAKE_IDS: dict[str, Callable[[Any], Any]] = {
    "from_codes": lambda ids: lk.CosineIndex.from_codes(CODES, ids=ids).ids,
    "add": lambda ids: (each := lk.CosineIndex(4)).add(CODES, ids=ids) or each.ids,
    "remove": lambda ids: (each := index()).remove(ids) or len(each),
}


def assert_same(found: Any, expected: Any) -> None:
    assert np.asarray(found).tobytes() == np.asarray(expected).tobytes()


take_codes = pytest.mark.parametrize("take", TAKE_CODES.values(), ids=TAKE_CODES)
take_labels = pytest.mark.parametrize("take", TAKE_LABELS.values(), ids=TAKE_LABELS)
take_ids = pytest.mark.parametrize("take", TAKE_IDS.values(), ids=TAKE_IDS)
