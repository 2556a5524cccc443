"""Codes, and columns of what is known of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from latentknn.arrays import as_rows
from latentknn.evaluation import CodeEvaluation
from latentknn.labels import as_labels
from latentknn.notebook.one_line import one_line

Cell = str | int | float | bool | None


@dataclass(frozen=True, eq=False)
class CodeTable:
    """Codes with a row of values each.

    Parameters
    ----------
    codes : ndarray of shape (n, d), float32
        The codes.
    columns : mapping of str to sequence
        Columns of n values: strings, numbers, flags, or None where a code has no such value.

    Raises
    ------
    ValueError
        If a column is not as long as there are codes.

    Examples
    --------
    >>> import latentknn as lk
    >>> codes, labels = [[1.0, 0.0], [0.9, 0.1], [0.0, 1.0]], ["east", "east", "north"]
    >>> evaluation = lk.evaluation.evaluate(codes, labels)
    >>> table = lk.exporters.CodeTable.of(evaluation, codes, labels)
    >>> list(table.columns)
    ['position', 'part', 'label', 'predicted', 'right', 'share', 'suspicion', 'distance']
    >>> table.columns["right"]
    [True, True, False]
    """

    codes: NDArray[np.float32]
    columns: Mapping[str, Sequence[Cell]]

    __repr__ = one_line

    def __post_init__(self) -> None:
        for name, column in self.columns.items():
            if len(column) != len(self.codes):
                raise ValueError(f"column {name!r} has {len(column)} values for {len(self.codes)} codes")

    @classmethod
    def of(
        cls,
        evaluation: CodeEvaluation,
        codes: ArrayLike,
        labels: ArrayLike,
        test: tuple[ArrayLike, ArrayLike] | None = None,
    ) -> CodeTable:
        """Put what an evaluation found out beside the arrays that it evaluated.

        Parameters
        ----------
        evaluation : CodeEvaluation
            The evaluation.
        codes, labels, test
            What `latentknn.evaluation.evaluate` received.

        Returns
        -------
        CodeTable
            The codes and, behind them, the test codes if there are any. The columns: ``position``, the row in
            the array that was passed; ``part``, "codes" or "test"; ``label``; and of items, None for others,
            ``predicted``, ``right``, ``share``, ``suspicion`` and ``distance``; see `EvaluatedItems`.

        Raises
        ------
        ValueError
            If the arrays are not those of the evaluation, as far as their lengths and labels tell.
        """
        items = evaluation.items
        if (test is None) != (evaluation.protocol == "leave-one-out"):
            raise ValueError(
                f"the evaluation is by {evaluation.protocol}; pass test= if, and only if, it had test items"
            )
        own = as_rows(codes, "codes").astype(np.float32)
        names = [str(label) for label in as_labels(labels, len(own)).tolist()]
        others = 0
        if test is not None:
            tested = as_rows(test[0], "test codes", own.shape[1]).astype(np.float32)
            others, own = len(own), np.concatenate([own, tested])
            names += [str(label) for label in as_labels(test[1], len(tested)).tolist()]
        classes = [evaluation.class_names[number] for number in items.classes.tolist()]
        if names[others:] != classes:
            raise ValueError("these labels were not evaluated; pass the same arrays as to evaluate")
        predicted = [evaluation.class_names[number] for number in items.predictions.tolist()]
        missing: list[Cell] = [None] * others
        return cls(
            own,
            {
                "position": [*range(others), *range(len(items))],
                "part": ["codes"] * others + ["codes" if test is None else "test"] * len(items),
                "label": names,
                "predicted": missing + predicted,
                "right": missing + (items.predictions == items.classes).tolist(),
                "share": missing + items.shares.tolist(),
                "suspicion": missing + items.suspicions.tolist(),
                "distance": missing + items.distances.tolist(),
            },
        )
