"""What a notebook shows of an index, of its answers and of its items."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from latentknn.notebook.tables import facts_table, paragraphs, rows_table, together

if TYPE_CHECKING:
    from latentknn.index.cosine_index import CosineIndex
    from latentknn.index.explanation import Explanation
    from latentknn.index.items import Items
    from latentknn.index.range_results import RadiusResult, SimilarPairs
    from latentknn.index.search_result import SearchResult

_QUERIES_SHOWN = 5
_NEIGHBOURS_SHOWN = 5
_CONSIDERED_SHOWN = 5
_LINES_SHOWN = 5
_COLUMNS_SHOWN = 5


def index_html(index: CosineIndex, labels: NDArray[Any] | None) -> str:
    """Return what a notebook shows of an index with some labels."""
    facts = {
        "codes": f"{len(index):,}",
        "dimensions": f"{index.dim:,}",
        "labels": "none" if labels is None else f"of type {labels.dtype}",
        "engine": f"{index.engine}, {'exact' if index.exact else 'not exact'}",
        "strategy": index.strategy,
        "instruction set": index.isa,
    }
    return together(facts_table("CosineIndex", facts))


def result_text(result: SearchResult) -> str:
    """Return one line about the answers of a search."""
    shape = tuple(result.ids.shape)
    name = type(result).__name__
    if not isinstance(result.similarities, np.ndarray):
        return f"{name}({_counted(shape)}, in the memory of a device)"
    found = result.similarities[np.isfinite(result.similarities)]
    span = f", similarities from {found.min():.4f} to {found.max():.4f}" if found.size else ""
    return f"{name}({_counted(shape)}{span})"


def result_html(result: SearchResult) -> str:
    """Return the first neighbours of the first queries as a table, with ids, similarities and labels."""
    shape = tuple(result.ids.shape)
    if not isinstance(result.similarities, np.ndarray) or 0 in shape:
        return together(paragraphs([result_text(result)]))
    *leading, k = shape
    columns = [f"neighbour {number}" for number in range(1, min(k, _NEIGHBOURS_SHOWN) + 1)]
    of_class = len(leading) == 2
    places = list(product(*(range(min(count, _QUERIES_SHOWN)) for count in leading)))[:_QUERIES_SHOWN]
    numbers = range(len(columns))
    labels = result._labels_of_first(len(places))
    rows = [
        [*place, *(_neighbour(result, (*place, number), labels, (row, number)) for number in numbers)]
        for row, place in enumerate(places)
    ]
    first = ["class", "query"] if of_class else ["query"]
    more = int(np.prod(leading)) - len(places)
    left_out = [f"{more:,} more rows"] if more > 0 else []
    if k > len(columns):
        left_out.append(f"{k - len(columns):,} more neighbours a query")
    return together(
        rows_table(
            f"{_counted(shape)}: id (similarity){'' if labels is None else ' and label'}",
            [*first, *columns],
            rows,
            left_out=_left_out(left_out),
        )
    )


def radius_html(result: RadiusResult) -> str:
    """Return the first codes within the similarity of the first queries as a table."""
    counts = np.diff(result.indptr)
    rows = []
    for query, first in enumerate(result.indptr[:-1][:_LINES_SHOWN].tolist()):
        shown = range(first, first + min(int(counts[query]), _NEIGHBOURS_SHOWN))
        codes = [f"{result.ids[place]} ({result.similarities[place]:.4f})" for place in shown]
        rows.append([query, f"{counts[query]:,}", *codes, *[""] * (_NEIGHBOURS_SHOWN - len(codes))])
    most = min(int(counts.max(initial=0)), _NEIGHBOURS_SHOWN)
    columns = ["query", "codes", *(f"code {number}" for number in range(1, most + 1))]
    more = len(counts) - len(rows)
    return together(
        rows_table(
            f"{radius_text(result)}: id (similarity)",
            columns,
            [row[: len(columns)] for row in rows],
            left_out=_left_out([f"{more:,} more queries"] if more > 0 else []),
        )
    )


def radius_text(result: RadiusResult) -> str:
    """Say how many codes are within the similarity of how many queries."""
    queries, codes = _number(len(result.indptr) - 1, "query", "queries"), _number(len(result.ids), "code")
    return f"{queries}, {codes} within the similarity"


def pairs_html(pairs: SimilarPairs) -> str:
    """Return the first pairs as a table."""
    first = range(min(len(pairs), _LINES_SHOWN))
    rows = [[*pairs.ids[number], f"{pairs.similarities[number]:.4f}"] for number in first]
    more = len(pairs) - len(rows)
    return together(
        rows_table(
            pairs_text(pairs),
            ["id", "other id", "similarity"],
            rows,
            left_out=_left_out([f"{more:,} more pairs"] if more > 0 else []),
        )
    )


def pairs_text(pairs: SimilarPairs) -> str:
    """Say how many pairs there are."""
    return _number(len(pairs), "pair")


def items_html(items: Items) -> str:
    """Return the first items as a table: ids, labels, and the first columns of the metadata."""
    columns: dict[str, list[Any]] = {"id": items.ids[:_LINES_SHOWN].tolist()}
    if items.labels is not None:
        columns["label"] = items.labels[:_LINES_SHOWN].tolist()
    if items.metadata is not None:
        first = items.metadata.slice(0, _LINES_SHOWN)
        for name in first.column_names[:_COLUMNS_SHOWN]:
            columns[name] = first[name].to_pylist()
    more = len(items) - len(columns["id"])
    further = 0 if items.metadata is None else items.metadata.num_columns - _COLUMNS_SHOWN
    left_out = [f"{more:,} more rows"] if more > 0 else []
    if further > 0:
        left_out.append(f"{_number(further, 'more column')} of metadata")
    rows = zip(*columns.values(), strict=True)
    return together(rows_table(items_text(items), list(columns), rows, left_out=_left_out(left_out)))


def items_text(items: Items) -> str:
    """Say how many items there are, and of which dimension."""
    labelled = "" if items.labels is None else ", labelled"
    return f"{_number(len(items), 'code')} of dimension {items.codes.shape[1]:,}{labelled}"


def explanation_html(explanation: Explanation) -> str:
    """Return what an explanation says, and what the strategy was chosen from."""
    facts = {
        "codes": f"{explanation.rows:,}",
        "dimensions": f"{explanation.dim:,}",
        "engine": explanation.engine,
        "strategy": explanation.strategy,
        "instruction set": explanation.isa,
    }
    sentences = [line for line in str(explanation).splitlines()[1:] if not line.startswith(" ")]
    parts = [facts_table("How the index searches", facts), paragraphs(sentences)]
    if explanation.considered:
        parts.append(
            rows_table(
                "What it considered, cheapest first",
                ["arithmetic", "dimensions", "candidates for 30 neighbours", "time, of fp32's"],
                [
                    [each.arithmetic, each.dims, f"{each.candidates:,.0f}", f"{each.cost:.2f}"]
                    for each in explanation.considered[:_CONSIDERED_SHOWN]
                ],
            )
        )
    return together(*parts)


def _counted(shape: tuple[Any, ...]) -> str:
    *leading, k = shape
    neighbours = f"{_number(k, 'neighbour')} each"
    if len(leading) == 2:
        return f"{_number(leading[1], 'query', 'queries')} in {leading[0]:,} classes, {neighbours}"
    return f"{_number(leading[0], 'query', 'queries')}, {neighbours}"


def _number(count: int, one: str, many: str = "") -> str:
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def _left_out(parts: list[str]) -> str:
    return f"… and {' and '.join(parts)}" if parts else ""


def _neighbour(
    result: SearchResult, place: tuple[int, ...], labels: NDArray[Any] | None, shown: tuple[int, int]
) -> str:
    if result.ids[place] < 0 and not np.isfinite(result.similarities[place]):
        return "none"
    label = "" if labels is None else f" {labels[shown]}"
    return f"{result.ids[place]} ({result.similarities[place]:.4f}){label}"
