"""Writing of all files of a report."""

import json
from typing import Any

import numpy as np
from safetensors.numpy import save

from latentknn.datasets import Dataset
from latentknn.encoders import TrainableEncoder, operations_of
from latentknn.evaluation import Experiment, Stopwatch, project
from latentknn.report.code_figure import draw_codes
from latentknn.report.confusion_figure import draw_confusion_matrix
from latentknn.report.drawing import save_figure
from latentknn.report.folder import RunFolder
from latentknn.report.interpolation_figure import draw_interpolation
from latentknn.report.loss_figure import draw_losses
from latentknn.report.map_figure import draw_code_map
from latentknn.report.page import make_page
from latentknn.report.reconstruction_figure import COLUMNS, choose_examples, draw_reconstructions
from latentknn.report.record import make_record
from latentknn.report.sample_figure import draw_samples

_MOST_CODES_ON_MAP = 2_000


def write_report(experiment: Experiment, folder: RunFolder, stopwatch: Stopwatch | None = None) -> None:
    """Save the model and the codes, draw the pictures and write the report that shows them.

    An encoder that is none of our models is not saved, and has no pictures of what a decoder makes.

    Parameters
    ----------
    experiment : Experiment
        The experiment.
    folder : RunFolder
        Folder of the report. It is made if it does not exist; files of the same names are replaced.
    stopwatch : Stopwatch, optional
        Stopwatch with the stages of the experiment, which the report lists; the stages of the report are
        added.

    Examples
    --------
    >>> import os, tempfile
    >>> from latentknn.datasets import load
    >>> from latentknn.evaluation import run_experiment
    >>> from latentknn.report import RunFolder, write_report
    >>> experiment = run_experiment(load("digits"), lambda images: images.reshape(len(images), -1))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_report(experiment, RunFolder(os.path.join(folder, "report")))
    ...     "index.html" in os.listdir(os.path.join(folder, "report"))
    True
    """
    stopwatch = stopwatch or Stopwatch()
    folder.path.mkdir(parents=True, exist_ok=True)
    if isinstance(experiment.model, TrainableEncoder):
        experiment.model.save(folder.encoder)
    experiment.index.save(folder.index)
    test_tensors = {
        "codes": experiment.test_codes,
        "labels": experiment.dataset.test_labels,
        "nearest": experiment.nearest.predictions,
        "chosen": experiment.chosen.predictions,
    }
    folder.test_codes.write_bytes(save({name: np.ascontiguousarray(a) for name, a in test_tensors.items()}))
    folder.classification_report.write_text(_classification_reports(experiment), encoding="utf-8")

    _draw_maps(experiment, folder, stopwatch)
    with stopwatch.measure("draw pictures", 0, "pictures") as stage:
        save_figure(draw_confusion_matrix(experiment.chosen), folder.confusion_matrix)
        stage.items = 1
        if experiment.history:
            save_figure(draw_losses(experiment.history), folder.losses)
            stage.items += 1
        operations = operations_of(experiment.model)
        if "reconstruct" in operations and isinstance(experiment.dataset, Dataset):
            _draw_reconstructions(experiment, experiment.dataset, folder)
            stage.items += 2
        if "decode" in operations and isinstance(experiment.dataset, Dataset):
            _draw_interpolation(experiment, experiment.dataset, folder)
            stage.items += 1
        if experiment.samples:
            save_figure(draw_samples(experiment.samples), folder.samples)
            stage.items += 1

    record = make_record(experiment, stopwatch.stages)
    folder.record.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    folder.page.write_text(make_page(experiment, stopwatch.stages, record, folder), encoding="utf-8")


def _classification_reports(experiment: Experiment) -> str:
    return "\n".join(
        f"{name}, {result.vote}\naccuracy {result.accuracy} (95 % interval)\n\n{result.report_text()}\n"
        for name, result in experiment.results.items()
    )


def _draw_maps(experiment: Experiment, folder: RunFolder, stopwatch: Stopwatch) -> None:
    """Draw where test codes lie, and where what is decoded of them lies if there is a decoder."""
    dataset = experiment.dataset
    generator = np.random.default_rng(experiment.seed)
    shown = generator.permutation(len(dataset.test_labels))[:_MOST_CODES_ON_MAP]
    codes, labels = experiment.test_codes[shown], dataset.test_labels[shown]
    maps = [("t-SNE of test codes", codes, folder.code_map)]
    if "decode" in operations_of(experiment.model) and isinstance(dataset, Dataset):
        model: Any = experiment.model
        maps.append(
            ("t-SNE of decoded images", model.decode(codes).reshape(len(codes), -1), folder.decoded_map)
        )
    for name, vectors, file in maps:
        with stopwatch.measure(name, len(vectors), "codes"):
            positions = project(vectors, experiment.seed)
        save_figure(draw_code_map(positions, labels, dataset.class_names), file)


def _draw_reconstructions(experiment: Experiment, dataset: Dataset, folder: RunFolder) -> None:
    model: Any = experiment.model
    shown = choose_examples(dataset.test_labels)
    images = dataset.test_images[shown]
    names = [dataset.class_names[label] for label in dataset.test_labels[shown]]
    decoded = model.reconstruct(images)
    save_figure(draw_reconstructions(images, decoded, names), folder.reconstructions)
    few = slice(COLUMNS)
    codes = model.encode_labelled(images[few], dataset.test_labels[shown][few])
    save_figure(draw_codes(images[few], codes, model.decode(codes), names[few]), folder.codes)


def _draw_interpolation(experiment: Experiment, dataset: Dataset, folder: RunFolder) -> None:
    model: Any = experiment.model
    shown = choose_examples(dataset.test_labels, rows=1)
    images, labels = dataset.test_images[shown], dataset.test_labels[shown]
    codes = model.encode_labelled(images, labels)
    middle = len(shown) // 2
    first, last = codes[:middle], codes[middle : 2 * middle]
    save_figure(draw_interpolation(model.decode, first, last, [""] * middle), folder.interpolation)
