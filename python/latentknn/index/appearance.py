"""What a notebook shows of an index and of its answers."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from latentknn.notebook.tables import facts_table, paragraphs, rows_table, together

if TYPE_CHECKING:
    from latentknn.index.cosine_index import CosineIndex
    from latentknn.index.explanation import Explanation
    from latentknn.index.search_result import SearchResult

_QUERIES_SHOWN = 5
_NEIGHBOURS_SHOWN = 5
_CONSIDERED_SHOWN = 5


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
    """Return the first neighbours of the first queries as a table, with ids and similarities."""
    shape = tuple(result.ids.shape)
    if not isinstance(result.similarities, np.ndarray) or 0 in shape:
        return together(paragraphs([result_text(result)]))
    *leading, k = shape
    columns = [f"neighbour {number}" for number in range(1, min(k, _NEIGHBOURS_SHOWN) + 1)]
    of_class = len(leading) == 2
    places = list(product(*(range(min(count, _QUERIES_SHOWN)) for count in leading)))[:_QUERIES_SHOWN]
    numbers = range(len(columns))
    rows = [[*place, *(_neighbour(result, (*place, number)) for number in numbers)] for place in places]
    first = ["class", "query"] if of_class else ["query"]
    more = int(np.prod(leading)) - len(places)
    left_out = [f"{more:,} more rows"] if more > 0 else []
    if k > len(columns):
        left_out.append(f"{k - len(columns):,} more neighbours a query")
    return together(
        rows_table(
            f"{_counted(shape)}: id (similarity)",
            [*first, *columns],
            rows,
            left_out=f"… and {' and '.join(left_out)}" if left_out else "",
        )
    )


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
    neighbours = f"{k:,} neighbour{'' if k == 1 else 's'} each"
    if len(leading) == 2:
        return f"{leading[1]:,} queries in {leading[0]:,} classes, {neighbours}"
    return f"{leading[0]:,} quer{'y' if leading[0] == 1 else 'ies'}, {neighbours}"


def _neighbour(result: SearchResult, place: tuple[int, ...]) -> str:
    if result.ids[place] < 0 and not np.isfinite(result.similarities[place]):
        return "none"
    return f"{result.ids[place]} ({result.similarities[place]:.4f})"
