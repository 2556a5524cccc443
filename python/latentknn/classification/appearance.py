"""What a notebook shows of thresholds and of explained predictions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from latentknn.notebook.tables import facts_table, paragraphs, rows_table, together

if TYPE_CHECKING:
    from latentknn.classification.prediction_explanation import PredictionExplanation
    from latentknn.classification.thresholds import ThresholdCalibration

_RECALLS = (0.5, 0.8, 0.9, 0.95, 0.99, 1.0)
"""The thresholds with these recalls are shown beside the one that was chosen."""
_QUERIES_SHOWN = 3
_NEIGHBOURS_SHOWN = 10
_CLASSES_SHOWN = 5


def calibration_text(calibration: ThresholdCalibration) -> str:
    """Return one line about a threshold."""
    wanted = said(calibration.wanted, calibration.target)
    return (
        f"ThresholdCalibration(similarity of at least {calibration.threshold:.6f} for {wanted}: "
        f"precision {calibration.precision:.4f}, recall {calibration.recall:.4f}, F1 {calibration.f1:.4f}, "
        f"false-positive rate {calibration.false_positive_rate:.4f})"
    )


def calibration_html(calibration: ThresholdCalibration) -> str:
    """Return a threshold, what it gives, and some other thresholds, as tables."""
    curve = calibration.curve
    right = calibration.positive == "right"
    facts = {
        "wanted": said(calibration.wanted, calibration.target),
        "threshold": f"{calibration.threshold:.6f}",
        "queries": f"{curve.positives + curve.negatives:,}",
        "positive": f"{curve.positives:,} {'answered rightly' if right else 'of a class that is known'}",
        "negative": f"{curve.negatives:,} {'answered wrongly, or unknown' if right else 'unknown'}",
    }
    columns = ["threshold", "accepted", "precision", "recall", "F1", "false-positive rate"]
    others = {int((curve.recall >= recall).argmax()) for recall in _RECALLS}
    rows = [
        [
            f"{curve.thresholds[position]:.6f}{' (chosen)' if position == calibration.position else ''}",
            *(
                f"{values[position]:.4f}"
                for values in (
                    curve.accepted,
                    curve.precision,
                    curve.recall,
                    curve.f1,
                    curve.false_positive_rate,
                )
            ),
        ]
        for position in sorted(others | {calibration.position})
    ]
    return together(facts_table("ThresholdCalibration", facts), rows_table("Thresholds", columns, rows))


def prediction_text(explanation: PredictionExplanation) -> str:
    """Return one line about explained predictions."""
    queries, k = explanation.positions.shape
    margins = explanation.margins
    span = f", margins from {margins.min():.4f} to {margins.max():.4f}" if queries else ""
    return (
        f"PredictionExplanation({queries:,} quer{'y' if queries == 1 else 'ies'}, "
        f"{k:,} neighbour{'' if k == 1 else 's'} each{span})"
    )


def prediction_html(explanation: PredictionExplanation) -> str:
    """Return the neighbours and the votes of the first queries as tables."""
    queries = len(explanation.predictions)
    if queries == 0:
        return together(paragraphs([prediction_text(explanation)]))
    shown = [_of_query(explanation, query) for query in range(min(queries, _QUERIES_SHOWN))]
    more = queries - len(shown)
    return together(*shown, paragraphs([f"… and {more:,} more queries"] if more > 0 else []))


def _of_query(explanation: PredictionExplanation, query: int) -> str:
    votes = explanation.votes[query]
    order = np.argsort(-votes, kind="stable")
    with_votes = order[votes[order] > 0]
    shown = [f"{explanation.classes[each]}: {votes[each]:.4g}" for each in with_votes[:_CLASSES_SHOWN]]
    if len(with_votes) > len(shown):
        shown.append(f"{len(with_votes) - len(shown):,} more classes")
    k = explanation.positions.shape[1]
    rows = [
        [
            explanation.ids[query, number],
            explanation.labels[query, number],
            f"{explanation.similarities[query, number]:.6f}",
            f"{explanation.weights[query, number]:.4g}",
        ]
        for number in range(min(k, _NEIGHBOURS_SHOWN))
    ]
    return rows_table(
        f"query {query}: {explanation.predictions[query]}, by a margin of {explanation.margins[query]:.4f}",
        ["neighbour", "label", "similarity", "weight"],
        rows,
        left_out=f"… and {k - len(rows):,} more neighbours" if k > len(rows) else "",
    ) + paragraphs([f"Votes: {', '.join(shown)}"])


def said(wanted: str, target: float | None) -> str:
    """Say what is wanted of a threshold, and how much of it."""
    if target is None:
        return "the largest F1"
    if wanted == "false_positive_rate":
        return f"a false-positive rate of at most {target:g}"
    return f"a {wanted} of at least {target:g}"
