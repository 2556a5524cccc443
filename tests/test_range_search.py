"""Range searches: all codes within a similarity, their counts, and the pairs of an index."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

import cases
import latentknn as lk
import reference
from interrupting import is_interrupted
from latentknn import _core
from latentknn.engines import make_database
from range_cases import (
    QUERIES,
    all_pairs,
    assert_finds_what_the_reference_finds,
    assert_pairs_are_those_of_the_reference,
    assert_same_ranges,
    thresholds_of,
)
from scale import scaled


def assert_equals_reference(kind: str, strategies: list[str], codes: int = 700, dim: int = 24) -> None:
    rows, queries = cases.build(kind, 7, codes, QUERIES, dim)
    scores = reference.scores(rows, queries)
    ids = cases.user_ids(3, codes)
    for strategy in strategies:
        index = lk.CosineIndex.from_codes(rows, ids=ids, strategy=strategy, threads=2)
        for seed in range(scaled(2)):
            assert_finds_what_the_reference_finds(
                index, queries, scores, thresholds_of(scores, seed), ids=ids
            )


@pytest.mark.parametrize("kind", cases.BUILDERS)
def test_equals_the_reference(kind):
    assert_equals_reference(kind, _core.strategy_names())


def test_equals_the_reference_on_every_instruction_set(isa, strategy):
    assert_equals_reference("mixture", [strategy])
    assert_equals_reference("signs", [strategy], codes=3000, dim=16)


@pytest.mark.parametrize("threads", [1, 4])
def test_equals_the_reference_where_tasks_share_the_rows(strategy, threads):
    codes, queries = cases.build("mixture", 5, 30_000, 3, 32)
    scores = reference.scores(codes, queries)
    index = lk.CosineIndex.from_codes(codes, strategy=strategy, threads=threads)
    for seed in range(scaled(2)):
        assert_finds_what_the_reference_finds(index, queries, scores, thresholds_of(scores, seed))


def test_one_similarity_is_asked_for_all_queries():
    codes, queries = cases.build("signs", 1, 500, QUERIES, 8)
    index = lk.CosineIndex.from_codes(codes)
    one = index.search_radius(queries, 0.5, scores64=True)
    each = index.search_radius(queries, np.full(QUERIES, 0.5), scores64=True)
    assert_same_ranges(one, reference.Ranges(*(getattr(each, name) for name in reference.Ranges._fields)))
    assert (one.scores64 == 0.5).any(), "some code should have exactly the similarity that is asked for"


@pytest.mark.parametrize("share", [0.0, 0.02, 0.9])
def test_equals_the_reference_among_allowed_codes(strategy, share):
    codes, queries = cases.build("signs", 2, 3000, QUERIES, 16)
    scores = reference.scores(codes, queries)
    allowed = np.random.default_rng(0).random(3000) < share
    index = lk.CosineIndex.from_codes(codes, strategy=strategy)
    assert_finds_what_the_reference_finds(index, queries, scores, thresholds_of(scores, 2), allowed=allowed)


def changed_index(codes: np.ndarray, ids: np.ndarray) -> tuple[lk.CosineIndex, np.ndarray]:
    """Return an index of several parts, some of whose rows were removed, and which rows are left."""
    index = lk.CosineIndex.from_codes(codes[:3000], ids=ids[:3000], threads=2)
    index.add(codes[3000:3900], ids=ids[3000:3900])
    index.add(codes[3900:], ids=ids[3900:])
    left = np.arange(len(codes)) % 7 > 0
    index.remove(ids[~left])
    return index, left


def test_all_parts_of_a_changed_index_are_searched():
    codes, queries = cases.build("duplicates", 3, 4000, QUERIES, 8)
    ids = cases.user_ids(1, 4000)
    index, left = changed_index(codes, ids)
    scores = reference.scores(codes[left], queries)
    thresholds = thresholds_of(scores, 3)
    assert_finds_what_the_reference_finds(index, queries, scores, thresholds, ids=ids[left])
    allowed = np.random.default_rng(1).random(left.sum()) < 0.5
    assert_finds_what_the_reference_finds(index, queries, scores, thresholds, ids=ids[left], allowed=allowed)


def test_an_answer_is_the_same_in_whatever_batch_its_query_comes():
    codes, queries = cases.build("mixture", 4, 5000, 300, 16)
    index = lk.CosineIndex.from_codes(codes, threads=3)
    together = index.search_radius(queries, 0.3, scores64=True)
    for query in (0, 17, 299):
        begin, end = together.indptr[query], together.indptr[query + 1]
        alone = index.search_radius(queries[query : query + 1], 0.3, scores64=True)
        assert alone.ids.tobytes() == together.ids[begin:end].tobytes()
        assert alone.scores64.tobytes() == together.scores64[begin:end].tobytes()


def test_no_codes_one_code_and_no_queries_are_answered():
    empty = lk.CosineIndex(3)
    result = empty.search_radius(np.eye(3), 0.5)
    assert result.indptr.tolist() == [0, 0, 0, 0]
    assert len(result.ids) == len(result.similarities) == len(result.positions) == 0
    assert empty.count_within(np.eye(3), 0.5).tolist() == [0, 0, 0]
    assert list(empty.pairs_above(0.5)) == []
    one = lk.CosineIndex.from_codes([[1.0, 0.0, 0.0]])
    assert one.search_radius(np.eye(3), 1.0).indptr.tolist() == [0, 1, 1, 1]
    assert list(one.pairs_above(-1.0)) == []
    assert one.search_radius(np.empty((0, 3)), 0.5).indptr.tolist() == [0]
    assert one.search_radius(np.empty((0, 3)), []).indptr.tolist() == [0]
    assert len(one.count_within(np.empty((0, 3)), 0.5)) == 0


def test_codes_at_exactly_the_similarity_are_found_and_the_next_above_leaves_them_out():
    codes, queries = cases.build("permuted", 8, 2000, QUERIES, 24)
    index = lk.CosineIndex.from_codes(codes)
    scores = reference.scores(codes, queries)
    exactly = scores[:, 0]
    found = index.count_within(queries, exactly)
    above = index.count_within(queries, np.minimum(np.nextafter(exactly, 2.0), 1.0))
    assert np.array_equal(found, (scores >= exactly[:, np.newaxis]).sum(axis=1))
    assert (found > above)[exactly < 1.0].all()


@pytest.mark.parametrize(
    ("similarity", "error", "message"),
    [
        (np.nan, ValueError, "similarity must be at most 1, as similarities are, received nan"),
        (np.inf, ValueError, "received inf"),
        (-np.inf, ValueError, "similarity must be at least -1, as similarities are, received -inf"),
        (1.5, ValueError, "received 1.5"),
        ([0.5, -1.5], ValueError, "received -1.5 for query 1"),
        ([0.5], ValueError, r"similarity must have shape \(2,\), one a query, received shape \(1,\)"),
        ("high", TypeError, "similarity must be real numbers"),
        (1j, TypeError, "similarity must be real numbers"),
        (None, TypeError, "similarity"),
    ],
)
def test_what_is_no_similarity_is_refused(similarity, error, message):
    index = lk.CosineIndex.from_codes(np.eye(3))
    for ask in (index.search_radius, index.count_within):
        with pytest.raises(error, match=message):
            ask(np.eye(3)[:2], similarity)


def test_queries_and_masks_that_do_not_fit_are_refused():
    index = lk.CosineIndex.from_codes(np.eye(3))
    with pytest.raises(ValueError, match="row 1 of the queries"):
        index.search_radius([[1, 0, 0], [np.nan, 0, 0]], 0.5)
    with pytest.raises(ValueError, match="must have 3 columns"):
        index.count_within(np.eye(2), 0.5)
    with pytest.raises(ValueError, match="one flag a row"):
        index.search_radius(np.eye(3), 0.5, allowed=[True])
    with pytest.raises(TypeError, match="max_results must be an integer"):
        index.search_radius(np.eye(3), 0.5, max_results=1.5)


@pytest.mark.parametrize("strategy", ["auto", "float64"])
def test_more_results_than_the_bound_are_an_error_that_says_how_many(strategy):
    codes, queries = cases.build("gaussian", 6, 20_000, 50, 8)
    index = lk.CosineIndex.from_codes(codes, strategy=strategy, threads=2)
    total = int(index.count_within(queries, 0.2).sum())
    assert len(index.search_radius(queries, 0.2, max_results=total).ids) == total
    with pytest.raises(ValueError, match=f"{total:,} codes are within .*max_results={total - 1:,}: raise"):
        index.search_radius(queries, 0.2, max_results=total - 1)


def test_an_error_of_too_many_results_can_be_sent_between_processes():
    index = lk.CosineIndex.from_codes(np.eye(3))
    with pytest.raises(ValueError, match="3 codes are within") as raised:
        index.search_radius(np.eye(3), 0.5, max_results=2)
    sent = pickle.loads(pickle.dumps(raised.value))
    assert (type(sent), str(sent), sent.count) == (type(raised.value), str(raised.value), 3)


def test_counting_scores_less_than_searching():
    codes, queries = cases.build("gaussian", 6, 20_000, 50, 32)
    counting, searching = (lk.CosineIndex.from_codes(codes, strategy="fp32") for _ in range(2))
    counting.count_within(queries, 0.2)
    searching.search_radius(queries, 0.2)
    assert counting.explain().candidates_per_query < searching.explain().candidates_per_query / 5


def test_cells_that_cannot_reach_the_similarity_are_skipped():
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((50, 16))
    codes = centres[rng.integers(50, size=20_000)] + 0.1 * rng.standard_normal((20_000, 16))
    index = lk.CosineIndex.from_codes(codes, engine="cpu")
    index.search_radius(codes[:100], 0.97)
    assert index.explain().screened_per_query < len(codes) / 4


@pytest.mark.parametrize("strategy", ["float64", "fp32"])
def test_an_interrupt_ends_a_search_and_the_index_still_answers(strategy):
    codes, queries = cases.build("gaussian", 6, 40_000, 4000, 64)
    index = lk.CosineIndex.from_codes(codes, strategy=strategy, threads=2)
    assert is_interrupted(lambda: [index.count_within(queries, 0.0) for _ in range(100)], 100)
    assert is_interrupted(lambda: list(index.pairs_above(0.3)), 100)
    scores = reference.scores(codes[:500], queries[:2])
    few = lk.CosineIndex.from_codes(codes[:500])
    assert_finds_what_the_reference_finds(few, queries[:2], scores, np.zeros(2))


# --- Pairs ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["duplicates", "zero_rows", "mixture", "signs", "all_equal"])
def test_each_pair_is_found_once(kind, strategy):
    codes, _ = cases.build(kind, 2, 600, 1, 12)
    ids = cases.user_ids(5, 600)
    index = lk.CosineIndex.from_codes(codes, ids=ids, strategy=strategy, threads=2)
    for similarity in (1.0, 0.75, 0.0):
        assert_pairs_are_those_of_the_reference(index, codes, ids, similarity)


def test_pairs_of_a_changed_index_are_those_of_its_rows(monkeypatch):
    codes, _ = cases.build("duplicates", 3, 4000, 1, 8)
    ids = cases.user_ids(1, 4000)
    index, left = changed_index(codes, ids)
    whole = all_pairs(index, 0.95)
    positions, pair_ids, similarities = reference.pairs(codes[left], 0.95, ids=ids[left])
    assert whole[0].tobytes() == positions.tobytes()
    assert whole[1].tobytes() == pair_ids.tobytes()
    assert whole[2].tobytes() == similarities.tobytes()
    # Smaller blocks hold the same pairs in the same order.
    monkeypatch.setattr("latentknn.index.range_searching._FIRST_ROWS", 100)
    monkeypatch.setattr("latentknn.index.range_searching._PAIRS_AT_ONCE", 500)
    blocks = list(index.pairs_above(0.95))
    assert len(blocks) > 10
    assert np.concatenate([block.positions for block in blocks]).tobytes() == positions.tobytes()


def test_codes_of_many_dimensions_are_copied_few_at_a_time(monkeypatch):
    codes, _ = cases.build("duplicates", 3, 300, 1, 64)
    index = lk.CosineIndex.from_codes(codes)
    database, asked = type(index._held.database), []
    search_range_behind = database.search_range_behind

    def noting(self, first, last, *more):
        asked.append(last - first)
        return search_range_behind(self, first, last, *more)

    monkeypatch.setattr(database, "search_range_behind", noting)
    monkeypatch.setattr("latentknn.index.range_searching._COPIED_BYTES", 50 * 4 * 64)
    assert_pairs_are_those_of_the_reference(index, codes, np.arange(300), 0.9)
    assert asked == [50] * 6


def test_pairs_are_those_of_the_time_of_the_call():
    index = lk.CosineIndex.from_codes([[1.0, 0.0], [1.0, 0.0]])
    pairs = index.pairs_above(1.0)
    index.add([[2.0, 0.0]])
    index.remove([0])
    assert [ids.tolist() for _, ids in pairs] == [[[0, 1]]]


@pytest.mark.parametrize("similarity", [np.nan, 2.0, -1.5, "high", [0.5, 0.6]])
def test_pairs_of_what_is_no_similarity_are_refused_at_once(similarity):
    with pytest.raises((TypeError, ValueError), match="similarity must"):
        lk.CosineIndex.from_codes(np.eye(3)).pairs_above(similarity)


# --- Engines and shards --------------------------------------------------------------------------


@pytest.mark.parametrize("engine", ["cuda", "faiss"])
def test_other_engines_find_the_same_bytes(engine, cuda_or_emulated):
    if engine == "faiss":
        pytest.importorskip("faiss")
    codes, queries = cases.build("zero_rows", 3, 900, QUERIES, 16)
    ids = cases.user_ids(2, 900)
    index = lk.CosineIndex.from_codes(codes, ids=ids, engine=engine)
    scores = reference.scores(codes, queries)
    thresholds = thresholds_of(scores, 4)
    allowed = np.random.default_rng(1).random(900) < 0.5
    assert_finds_what_the_reference_finds(index, queries, scores, thresholds, ids=ids)
    assert_finds_what_the_reference_finds(index, queries, scores, thresholds, ids=ids, allowed=allowed)
    assert_pairs_are_those_of_the_reference(index, codes, ids, 0.6)
    total = int(index.count_within(queries, thresholds).sum())
    with pytest.raises(ValueError, match=f"{total:,} codes are within"):
        index.search_radius(queries, thresholds, max_results=total - 1)
    assert index.search_radius(np.empty((0, 16)), 0.5).indptr.tolist() == [0]


def test_packing_the_rows_on_the_host_is_no_change(cuda_or_emulated):
    codes, queries = cases.build("gaussian", 3, 900, 5, 16)
    database = make_database("cuda", 16, "auto")
    database.add(codes, None, 1)
    before = database.version
    database.count_range(queries, np.zeros(5), None, 1)
    assert database.version is before
    database.add(queries, None, 1)
    assert database.version is not before


def test_rows_on_the_host_are_packed_once_for_all_pairs(cuda_or_emulated):
    codes, _ = cases.build("gaussian", 3, 900, 5, 16)
    index = lk.CosineIndex.from_codes(codes, engine="cuda")
    first, second = (all_pairs(index, 0.3) for _ in range(2))
    database = index._held.database
    packed = database._store
    assert packed.strategy != "float64"
    assert all_pairs(index, 0.3)[0].tobytes() == first[0].tobytes() == second[0].tobytes()
    assert database._store is packed
    assert database.snapshot()._store is packed


@pytest.mark.parametrize("kind", ["near_ties", "tight_cone", "permuted", "signs"])
def test_the_margin_of_faiss_loses_no_code(kind):
    pytest.importorskip("faiss")
    codes, queries = cases.build(kind, 3, 700, QUERIES, 33)
    index = lk.CosineIndex.from_codes(codes, engine="faiss")
    scores = reference.scores(codes, queries)
    for seed in range(scaled(3)):
        assert_finds_what_the_reference_finds(index, queries, scores, thresholds_of(scores, seed))


def test_an_index_of_faiss_that_misses_codes_is_refused():
    pytest.importorskip("faiss")
    index = lk.CosineIndex.from_codes(np.eye(8), engine=lk.FaissEngine("HNSW8"))
    for ask in (
        lambda: index.search_radius(np.eye(8), 0.5),
        lambda: index.count_within(np.eye(8), 0.5),
        lambda: list(index.pairs_above(0.5)),
    ):
        with pytest.raises(lk.engines.FaissRequestError, match="cannot find all codes within a similarity"):
            ask()


def test_results_show_what_they_are():
    index = lk.CosineIndex.from_codes([[1.0, 0.0], [2.0, 0.0]])
    assert (
        repr(index.search_radius([[1.0, 0.0]], 0.5)) == "RadiusResult(1 query, 2 codes within the similarity)"
    )
    assert repr(next(index.pairs_above(0.5))) == "SimilarPairs(1 pair)"
    for shown in (index.search_radius([[1.0, 0.0]], 0.5), next(index.pairs_above(0.5))):
        copied = pickle.loads(pickle.dumps(shown))
        assert all(np.array_equal(a, b) for a, b in zip(shown, copied, strict=True))


def test_codes_on_a_tiny_similarity_are_found():
    """The square of such a similarity is no normal number."""
    query = np.array([[5 * 2.0**114, 0, 2.0**-149]], np.float32)
    codes = np.array([[0, 5 * 2.0**114, 2.0**-149], [0, 1, 0], [1, 0, 0]], np.float32)
    index = lk.CosineIndex.from_codes(codes)
    tiny = min(score for score in index.search(query, 3, scores64=True).scores64[0] if score > 0)
    assert 0 < tiny < 2.0**-511
    for similarity in (tiny, tiny * 0.9999999999):
        assert index.count_within(query, similarity).tolist() == [2]
        assert sorted(index.search_radius(query, similarity).ids.tolist()) == [0, 2]
        assert sorted(index.search(query, 2, at_least=[similarity]).ids[0].tolist()) == [0, 2]


def test_queries_that_are_none_ask_for_no_similarities():
    index = lk.CosineIndex.from_codes(np.eye(3))
    assert len(index.search_radius(np.empty((0, 3)), 0.5).ids) == 0
    with pytest.raises(ValueError, match=r"shape \(0,\), one a query, received shape \(5,\)"):
        index.search_radius(np.empty((0, 3)), np.zeros(5))
    with pytest.raises(ValueError, match="at least -1"):
        index.search_radius(np.empty((0, 3)), -2.0)
    assert len(index.search_radius(np.eye(3), 0.5, max_results=10**20).ids) == 3


def test_pairs_of_faiss_take_memory_for_themselves_alone(monkeypatch):
    pytest.importorskip("faiss")
    from latentknn.engines import faiss_ranges

    scored = []
    score = faiss_ranges.FlatRanges._find_some

    def find_some(self, *asked):
        found = score(self, *asked)
        scored.append(len(found.scores))
        return found

    monkeypatch.setattr(faiss_ranges.FlatRanges, "_find_some", find_some)
    monkeypatch.setattr(faiss_ranges, "_PAIRS_AT_ONCE", 2_000)
    index = lk.CosineIndex.from_codes(np.ones((300, 4)), engine="faiss")
    assert sum(len(block.similarities) for block in index.pairs_above(0.9)) == 300 * 299 // 2
    assert max(scored) <= 2_000
    assert sum(scored) == 300 * 299 // 2
