"""A picture of the confusion matrix."""

import numpy as np
from matplotlib.figure import Figure

from latentknn.evaluation import Classification
from latentknn.report.drawing import MOST_CLASSES_NAMED, new_figure


def draw_confusion_matrix(classification: Classification) -> Figure:
    """Draw true classes in rows and predicted classes in columns, shaded by the share of the row.

    With up to 25 classes, every cell that is not empty shows its count.
    """
    counts = classification.confusion_matrix()
    names = classification.class_names
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    size = min(2.6 + 0.58 * len(names), 20.0)
    figure = new_figure(size + 0.6, size)
    axes = figure.add_subplot()
    picture = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    figure.colorbar(picture, ax=axes, label="share of the true class", shrink=0.8)
    axes.set_xticks(range(len(names)), names, rotation=45, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(names)), names)
    axes.tick_params(length=0)
    axes.set_xlabel("predicted class")
    axes.set_ylabel("true class")
    accuracy = classification.accuracy
    axes.set_title(f"{classification.vote}: {accuracy.correct:,} of {accuracy.total:,} correct")
    if len(names) <= MOST_CLASSES_NAMED:
        for row, column in np.argwhere(counts > 0):
            colour = "white" if shares[row, column] > 0.5 else "black"
            axes.text(column, row, counts[row, column], ha="center", va="center", color=colour, fontsize=8)
    return figure
