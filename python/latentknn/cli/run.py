"""``latentknn run`` trains a model, indexes its codes, classifies the test set and writes a report."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from latentknn.cli.errors import NO_DATASET, CommandError, as_command_error
from latentknn.cli.model_options import check_options, parse_option
from latentknn.cli.numbers import image_size, integer, number, positive_integer, positive_number
from latentknn.cli.table import format_table

if TYPE_CHECKING:
    from latentknn.datasets import Dataset
    from latentknn.evaluation import Experiment
    from latentknn.models import ImageEncoder
    from latentknn.report import RunFolder

_DESCRIPTION = """\
Train a model, index its codes, classify the whole test set and write a report.

A twelfth of the training images is held out: it is not trained on, gives the
validation loss, and decides whether more neighbours than one vote, how many,
and with which weights.
The index then holds the codes of all training images. The test set is used
once, at the end.
"""


def add_to(commands: Any) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "run",
        help="train a model, classify the test set by its codes and write a report",
        description=_DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(command=_run)

    data = parser.add_argument_group("data")
    data.add_argument(
        "--dataset",
        default="fashion_mnist",
        metavar="NAME",
        help="default: %(default)s; see latentknn datasets",
    )
    data.add_argument(
        "--data",
        type=Path,
        metavar="PATH",
        help="folder of IDX files or of class folders with pictures, .npz file, or table of images",
    )
    data.add_argument(
        "--image-size",
        type=image_size,
        metavar="HxW",
        help="height and width that pictures of a folder or a table are resized to",
    )

    model = parser.add_argument_group("model")
    model.add_argument(
        "--model", default="conv_ae", metavar="NAME", help="default: %(default)s; see latentknn models"
    )
    model.add_argument("--latent-dim", type=positive_integer, metavar="N", help="dimensions of a code")
    model.add_argument("--learning-rate", type=positive_number, metavar="X", help="of the optimizer")
    model.add_argument(
        "--dropout", type=number, metavar="X", help="share of values set to zero while training"
    )
    model.add_argument(
        "--option",
        type=parse_option,
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="any other option of the model; may be repeated",
    )

    training = parser.add_argument_group("training")
    training.add_argument(
        "--epochs", type=positive_integer, default=5, metavar="N", help="default: %(default)s"
    )
    training.add_argument(
        "--batch-size",
        type=positive_integer,
        metavar="N",
        help="images of a batch; default: the model's own",
    )
    training.add_argument(
        "--seed", type=integer, default=0, metavar="N", help="seed of everything random; default: %(default)s"
    )
    training.add_argument(
        "--threads", type=positive_integer, metavar="N", help="default: every processor that may be used"
    )

    output = parser.add_argument_group("output")
    output.add_argument("--out", type=Path, required=True, metavar="DIR", help="new or empty folder")
    existing = output.add_mutually_exclusive_group()
    existing.add_argument(
        "--resume",
        action="store_true",
        help="go on from the last whole epoch of the run in DIR; repeat its other options",
    )
    existing.add_argument("--overwrite", action="store_true", help="replace the run in DIR")


def _run(arguments: argparse.Namespace) -> None:
    _configure_libraries(arguments.threads)
    with as_command_error(ImportError):
        from latentknn.report import RunFolder, write_report
    from latentknn.cli.run_folder import check_folder, prepare_folder
    from latentknn.datasets import describe_rare_classes
    from latentknn.evaluation import Stopwatch, run_experiment

    # Wrong arguments are refused before anything is written or takes long.
    folder = RunFolder(arguments.out)
    check_folder(folder, resume=arguments.resume, overwrite=arguments.overwrite)
    stopwatch = Stopwatch(lambda stage: print(stage, flush=True))
    dataset = _load_dataset(arguments)
    model = _create_model(arguments, dataset)
    settings = {
        "dataset": arguments.dataset,
        "model": arguments.model,
        "options": _model_options(arguments),
        "batch_size": arguments.batch_size,
        "seed": arguments.seed,
        "image_size": arguments.image_size,
    }
    prepare_folder(folder, settings, resume=arguments.resume, overwrite=arguments.overwrite)

    print(f"{dataset}\n{arguments.model}: {model.count_params():,} parameters", flush=True)
    rare = describe_rare_classes(dataset)
    if rare:
        print(f"Note: {rare}.", flush=True)
    try:
        with as_command_error(FloatingPointError):
            experiment = run_experiment(
                dataset,
                model,
                epochs=arguments.epochs,
                batch_size=arguments.batch_size,
                seed=arguments.seed,
                threads=arguments.threads,
                checkpoint_dir=folder.checkpoint,
                resume=arguments.resume,
                verbose=1 if sys.stdout.isatty() else 2,
                stopwatch=stopwatch,
            )
        write_report(experiment, folder, stopwatch)
    except KeyboardInterrupt:
        print("\nThe same command with --resume goes on from the last whole epoch.", file=sys.stderr)
        raise
    print(f"\n{_summary(experiment, folder)}")


def _configure_libraries(threads: int | None) -> None:
    """Set the environment variables that TensorFlow and OpenMP read when they are first imported."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    if threads is not None:
        for variable in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS"):
            os.environ[variable] = str(threads)


def _load_dataset(arguments: argparse.Namespace) -> Dataset:
    from latentknn.datasets import DatasetNotFoundError, load

    try:
        with as_command_error(ValueError, TypeError, ImportError):
            return load(arguments.dataset, arguments.data, image_size=arguments.image_size)
    except DatasetNotFoundError as error:
        raise CommandError(f"{error}\n{NO_DATASET}") from error


def _create_model(arguments: argparse.Namespace, dataset: Dataset) -> ImageEncoder:
    from latentknn.models import MODELS, create

    if arguments.model not in MODELS:
        raise CommandError(f"unknown model {arguments.model!r}: choose one of {', '.join(MODELS)}")
    options = _model_options(arguments)
    with as_command_error(ImportError):
        check_options(arguments.model, options)
    given = {"input_shape": dataset.image_shape, "seed": arguments.seed}
    if MODELS[arguments.model].uses_labels:
        given["num_classes"] = len(dataset.class_names)
    try:
        return create(arguments.model, **given, **options)
    except (TypeError, ValueError) as error:
        raise CommandError(f"{arguments.model} cannot be made with {options}: {error}") from error


def _model_options(arguments: argparse.Namespace) -> dict[str, Any]:
    named = {name: getattr(arguments, name) for name in ("latent_dim", "learning_rate", "dropout")}
    return {name: value for name, value in named.items() if value is not None} | dict(arguments.option)


def _summary(experiment: Experiment, folder: RunFolder) -> str:
    from latentknn.evaluation import compare_results

    sentences = "\n".join(comparison.sentence for comparison in compare_results(experiment))
    rows = [("", "vote", "accuracy", "95 % interval")]
    for name, result in experiment.results.items():
        low, high = result.accuracy.interval()
        rows.append((name, str(result.vote), f"{result.accuracy.value:.4f}", f"{low:.4f} to {high:.4f}"))
    return (
        f"{format_table(rows)}\n{sentences}\n"
        f"The vote was chosen on {len(experiment.held_out):,} held-out training images; "
        f"the test set has {experiment.chosen.accuracy.total:,} images.\n\n"
        f"Report: {folder.page}"
    )
