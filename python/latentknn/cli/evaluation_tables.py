"""The tables that the command line prints of an evaluation."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from latentknn.cli.table import format_table
from latentknn.evaluation import CodeEvaluation
from latentknn.evaluation.measures.retrieval import Retrieval

_MOST_CLASSES = 20
_MOST_PAIRS = 5
_MOST_ITEMS = 5


def tables(evaluation: CodeEvaluation) -> str:
    """Return everything that is worth reading first, in tables with headings."""
    parts = [
        _overview(evaluation),
        _accuracies(evaluation),
        "" if evaluation.retrieval is None else _retrieval(evaluation.retrieval),
        _classes(evaluation),
        _confused(evaluation),
        "\n".join(_findings(evaluation)),
        _suspects(evaluation),
    ]
    return "\n\n".join(part for part in parts if part)


def _overview(evaluation: CodeEvaluation) -> str:
    tested = evaluation.protocol == "test"
    items = f"{len(evaluation.items):,} test items" if tested else "each left out once"
    classes = len(evaluation.class_names)
    return f"{evaluation.codes:,} codes of {evaluation.dim} dimensions, {classes:,} classes; {items}"


def _accuracies(evaluation: CodeEvaluation) -> str:
    rows = [("", "accuracy", "95 % interval")]
    for name, accuracy in (
        ("always the commonest class", evaluation.commonest),
        ("nearest code", evaluation.nearest),
        (f"vote, {evaluation.vote}", evaluation.voted),
    ):
        low, high = accuracy.interval()
        rows.append((name, f"{accuracy.value:.4f}", f"{low:.4f} to {high:.4f}"))
    return format_table(rows)


def _retrieval(retrieval: Retrieval) -> str:
    columns = (retrieval.precision, retrieval.recall, retrieval.hit_rate, retrieval.ndcg)
    rows: list[Sequence[str]] = [("k", "precision", "recall", "hit rate", "NDCG")]
    for number, k in enumerate(retrieval.ks):
        rows.append((str(k), *(f"{column[number]:.4f}" for column in columns)))
    return (
        f"{format_table(rows)}\n"
        f"R-precision {retrieval.r_precision:.4f}, mean average precision at R {retrieval.map_at_r:.4f}"
    )


def _classes(evaluation: CodeEvaluation) -> str:
    worst = sorted(evaluation.class_scores, key=lambda score: score.f1)[:_MOST_CLASSES]
    rows: list[Sequence[str]] = [("class", "precision", "recall", "F1", "items", "codes")]
    for score in worst:
        values = (f"{value:.4f}" for value in (score.precision, score.recall, score.f1))
        rows.append((_short(score.name), *values, f"{score.items:,}", f"{score.codes:,}"))
    more = len(evaluation.class_scores) - len(worst)
    return format_table(rows) + (f"\nand {more:,} classes of higher F1, in results.json" if more else "")


def _confused(evaluation: CodeEvaluation) -> str:
    if not evaluation.confused:
        return ""
    rows: list[Sequence[str]] = [("true class", "taken for", "items", "of the class")]
    rows += [
        (_short(pair.truth), _short(pair.predicted), f"{pair.count:,}", f"{pair.share:.1%}")
        for pair in evaluation.confused[:_MOST_PAIRS]
    ]
    more = len(evaluation.confused) - _MOST_PAIRS
    return format_table(rows) + (f"\nand {more:,} pairs that are confused less often" if more > 0 else "")


def _findings(evaluation: CodeEvaluation) -> Iterator[str]:
    duplicates, hubs = evaluation.duplicates, evaluation.hubs
    yield (
        f"The share of the winning class is {evaluation.calibration.expected_error:.4f} off its accuracy on "
        "average (expected calibration error)."
    )
    of_items = f"{duplicates.items_with:,} items have a near-duplicate of similarity {duplicates.threshold:g}"
    conflicts = int((~duplicates.same_class).sum())
    others = f", {conflicts:,} of the pairs have different labels" if conflicts else ""
    yield f"{of_items} or more{others}."
    if hubs.skewness is not None:
        yield (
            f"Hubs: skewness {hubs.skewness:.2f} of the {hubs.k}-occurrence; code {hubs.codes[0]} is among "
            f"the nearest {hubs.k} of {hubs.occurrences[0]:,} items, and {hubs.never:,} codes are of none."
        )
    outliers = evaluation.outliers
    yield (
        f"Farthest from all codes: item {outliers.items[0]}, distance {outliers.distances[0]:.4f}; the "
        f"median is {outliers.median:.4f}."
    )


def _suspects(evaluation: CodeEvaluation) -> str:
    suspects = evaluation.label_errors
    if not suspects.total:
        return f"No label is outvoted by the {suspects.k} nearest codes."
    rows: list[Sequence[str]] = [("item", "its label", "neighbours say", "suspicion")]
    for item, suspicion, suggestion in zip(
        suspects.items[:_MOST_ITEMS].tolist(),
        suspects.suspicions[:_MOST_ITEMS].tolist(),
        suspects.suggestions[:_MOST_ITEMS],
        strict=True,
    ):
        label = evaluation.class_names[evaluation.items.classes[item]]
        rows.append((str(item), _short(label), _short(suggestion), f"{suspicion:.2f}"))
    return (
        f"{suspects.total:,} labels are outvoted by the {suspects.k} nearest codes; the most suspected:\n"
        f"{format_table(rows)}"
    )


def _short(name: str, most: int = 32) -> str:
    """Return a name in one line of a table."""
    line = " ".join(name.split())
    return line if len(line) <= most else f"{line[: most - 1]}…"
