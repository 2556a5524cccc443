"""The page of an experiment: its test items, and what its model makes of their codes."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from latentknn.datasets import Dataset
from latentknn.encoders import name_of, operations_of
from latentknn.evaluation import CodeEvaluation, Experiment, Stopwatch, evaluate
from latentknn.pages.rebuilt import MOST_SAMPLES
from latentknn.pages.writing import write_page


def write_experiment_page(
    experiment: Experiment, path: str | os.PathLike[str], *, stopwatch: Stopwatch | None = None
) -> CodeEvaluation:
    """Write the page of an experiment: one HTML file, which loads nothing and can be mailed.

    Its test items are evaluated by the vote that the experiment chose. Images stand beside their
    reconstructions, and beside images that the model generates, where it has them.

    Parameters
    ----------
    experiment : Experiment
        What `latentknn.evaluation.run_experiment` returned.
    path : path
        The HTML file; its folder must exist. An older file there is replaced.
    stopwatch : Stopwatch, optional
        Measures the stages, and may show their progress.

    Returns
    -------
    CodeEvaluation
        What the page shows.

    Raises
    ------
    ValueError
        If the encoder's codes depend on the class: an item has no code of its own then.
    OSError
        If the file cannot be written; then an older one stays as it was.

    Examples
    --------
    >>> import tempfile
    >>> from dataclasses import replace
    >>> import latentknn as lk
    >>> from latentknn.pages import write_experiment_page
    >>> digits = lk.datasets.load("digits")
    >>> few = replace(digits, test_images=digits.test_images[:40], test_labels=digits.test_labels[:40])
    >>> experiment = lk.evaluation.run_experiment(few, lambda images: images.reshape(len(images), -1))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     evaluation = write_experiment_page(experiment, f"{folder}/page.html")
    >>> evaluation.nearest == experiment.nearest.accuracy
    True
    """
    if experiment.test_queries.ndim == 3:
        raise ValueError(
            f"the codes of {name_of(experiment.model)} depend on the class, so that an item has none of its "
            "own; a page shows encoders that give an item one code"
        )
    stopwatch = stopwatch or Stopwatch()
    dataset = experiment.dataset
    names = np.asarray(dataset.class_names)
    evaluation = evaluate(
        experiment.index.codes,
        names[dataset.train_labels],
        test=(experiment.test_codes, names[dataset.test_labels]),
        vote=experiment.chosen.vote,
        threads=experiment.threads,
        stopwatch=stopwatch,
    )
    write_page(
        evaluation,
        path,
        codes=experiment.test_codes,
        title=f"{name_of(experiment.model)} on {dataset.name}",
        seed=experiment.seed,
        stopwatch=stopwatch,
        **_looks(experiment, stopwatch),
    )
    return evaluation


def _looks(experiment: Experiment, stopwatch: Stopwatch) -> dict[str, Any]:
    """Return the pictures or texts of a page."""
    dataset, model = experiment.dataset, experiment.model
    if not isinstance(dataset, Dataset):
        if dataset.unit != "texts":
            return {}
        return {"texts": dataset.test_items.tolist(), "neighbour_texts": dataset.train_items.tolist()}
    looks = {"pictures": dataset.test_images, "neighbour_pictures": dataset.train_images}
    operations = operations_of(model)
    if "reconstruct" in operations:
        with stopwatch.measure("rebuild test images", len(dataset.test_images), "images"):
            rebuilt = model.reconstruct(dataset.test_images)  # type: ignore[attr-defined]
        looks["reconstructions"] = rebuilt.reshape(dataset.test_images.shape)
    if "generate" in operations:
        with stopwatch.measure("generate images", MOST_SAMPLES, "images"):
            looks["samples"] = model.generate(MOST_SAMPLES, seed=experiment.seed)  # type: ignore[attr-defined]
    return looks
