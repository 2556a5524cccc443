"""``latentknn run`` trains a model, indexes its codes, classifies the test set and writes a report."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from latentknn.cli import datasets
from latentknn.cli.deferring import deferred
from latentknn.cli.errors import NO_DATASET, CommandError, as_command_error
from latentknn.cli.helping import paragraphs
from latentknn.cli.model_options import check_model, check_options, parse_option
from latentknn.cli.names import completing
from latentknn.cli.numbers import image_size as read_size
from latentknn.cli.numbers import integer, number, positive_integer, positive_number
from latentknn.cli.page_files import check_page_libraries
from latentknn.cli.quietness import errors_held_back, import_tensorflow
from latentknn.cli.resuming import ResumingCommand, folder_of
from latentknn.cli.run_folder import check_folder
from latentknn.cli.run_settings import RunSettings
from latentknn.cli.table import format_table
from latentknn.models import MODELS
from latentknn.progress import bar
from latentknn.report import RunFolder

if TYPE_CHECKING:
    from latentknn.datasets import Dataset
    from latentknn.evaluation import Experiment
    from latentknn.models import ImageEncoder

_HELP = """\
Train a model, index its codes, classify the whole test set and write a report.

A twelfth of the training images is held out: it is not trained on, gives the validation loss, and decides
whether more neighbours than one vote, how many, and with which weights. The index then holds the codes of
all training images. The test set is used once, at the end.
"""

_DATA, _MODEL, _TRAINING, _OUTPUT = "Data", "Model", "Training", "Output"
"""Headings of the options."""


def add_to(app: typer.Typer) -> None:
    """Add the command to the parser."""
    short = "Train a model, classify the test set by its codes and write a report."
    app.command("run", help=paragraphs(_HELP), short_help=short, cls=ResumingCommand)(_run)


@deferred
def _run(
    dataset: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="default: fashion_mnist; see latentknn datasets",
            autocompletion=completing(datasets.names),
            rich_help_panel=_DATA,
        ),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            metavar="PATH",
            help="folder of IDX files or of class folders with pictures, .npz file, or table of images",
            rich_help_panel=_DATA,
        ),
    ] = None,
    image_size: Annotated[
        Any,
        typer.Option(
            metavar="HxW",
            parser=read_size,
            help="height and width that pictures of a folder or a table are resized to",
            rich_help_panel=_DATA,
        ),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="default: conv_ae; see latentknn models",
            autocompletion=completing(lambda: MODELS),
            rich_help_panel=_MODEL,
        ),
    ] = None,
    latent_dim: Annotated[
        int | None,
        typer.Option(
            metavar="N", parser=positive_integer, help="dimensions of a code", rich_help_panel=_MODEL
        ),
    ] = None,
    learning_rate: Annotated[
        float | None,
        typer.Option(metavar="X", parser=positive_number, help="of the optimizer", rich_help_panel=_MODEL),
    ] = None,
    dropout: Annotated[
        float | None,
        typer.Option(
            metavar="X",
            parser=number,
            help="share of values set to zero while training",
            rich_help_panel=_MODEL,
        ),
    ] = None,
    option: Annotated[
        list[Any] | None,
        typer.Option(
            metavar="NAME=VALUE",
            parser=parse_option,
            help="any other option of the model, which latentknn models NAME lists; may be repeated",
            rich_help_panel=_MODEL,
        ),
    ] = None,
    epochs: Annotated[
        int | None,
        typer.Option(metavar="N", parser=positive_integer, help="default: 5", rich_help_panel=_TRAINING),
    ] = None,
    patience: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            parser=positive_integer,
            help="end after N epochs in a row without a lower held-out loss, with the best epoch's weights",
            rich_help_panel=_TRAINING,
        ),
    ] = None,
    batch_size: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            parser=positive_integer,
            help="images of a batch; default: the model's own",
            rich_help_panel=_TRAINING,
        ),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            parser=integer,
            help="seed of everything random; default: 0",
            rich_help_panel=_TRAINING,
        ),
    ] = None,
    threads: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            parser=positive_integer,
            help="default: every processor that may be used",
            rich_help_panel=_TRAINING,
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="new or empty folder", rich_help_panel=_OUTPUT)
    ] = None,
    resume: Annotated[
        str | None,
        typer.Option(
            metavar="DIR",
            help="go on from the last whole epoch of the run in DIR, or in that of --out, with its settings",
            rich_help_panel=_OUTPUT,
        ),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", metavar="", help="replace the run in DIR", rich_help_panel=_OUTPUT)
    ] = False,
    page: Annotated[
        bool,
        typer.Option(
            "--page",
            metavar="",
            help="also write page.html, which shows without a network what is wrong, and why",
            rich_help_panel=_OUTPUT,
        ),
    ] = False,
) -> None:
    named = {"latent_dim": latent_dim, "learning_rate": learning_rate, "dropout": dropout}
    options = {name: value for name, value in named.items() if value is not None} | dict(option or ())
    given = {
        "dataset": dataset,
        "model": model,
        "options": options,
        "batch_size": batch_size,
        "seed": seed,
        "image_size": image_size,
        "data": None if data is None else str(data.absolute()),
        "epochs": epochs,
        "patience": patience,
        "threads": threads,
    }
    # What is wrong is told before a heavy library is imported, and before anything is written.
    folder = RunFolder(folder_of(out, resume, overwrite=overwrite))
    check_folder(folder, resume=resume is not None, overwrite=overwrite)
    if resume and folder.is_empty():
        raise CommandError(f"--resume {resume} is empty; give the folder of a run")
    goes_on = resume is not None and not folder.is_empty()
    settings = RunSettings.resumed(folder, given) if goes_on else RunSettings.of(given)
    check_model(settings.model)
    check_options(settings.model, settings.options)
    if settings.data is None:
        datasets.check_dataset(settings.dataset)
    if page:
        check_page_libraries()
        _check_one_code(settings.model)
    _do(settings, folder, resume=goes_on, overwrite=overwrite, page=page)


def _check_one_code(model: str) -> None:
    if "encode_per_class" in MODELS[model].capabilities:
        raise CommandError(
            f"--page is for models that give an image one code, and those of {model} depend on the class"
        )


def _do(settings: RunSettings, folder: RunFolder, *, resume: bool, overwrite: bool, page: bool) -> None:
    _limit_threads(settings.threads)
    with as_command_error(ImportError):
        from latentknn.report import write_report
    from latentknn.datasets import describe_rare_classes
    from latentknn.evaluation import Stopwatch, run_experiment

    stopwatch = Stopwatch(lambda stage: print(stage, flush=True), bar)
    dataset = _load_dataset(settings)
    model = _create_model(settings, dataset)
    _check_patience(settings, model)
    # It imports TensorFlow, which is there by now.
    from latentknn.report.epoch_pictures import EpochPictures

    if overwrite:
        folder.clear()
    settings.write(folder)
    # An earlier page would show the answers of fewer epochs.
    folder.whole_page.unlink(missing_ok=True)

    print(f"{dataset}\n{settings.model}: {model.count_params():,} parameters", flush=True)
    rare = describe_rare_classes(dataset)
    if rare:
        print(f"Note: {rare}.", flush=True)
    try:
        with as_command_error(FloatingPointError):
            experiment = run_experiment(
                dataset,
                model,
                epochs=settings.epochs,
                patience=settings.patience,
                batch_size=settings.batch_size,
                seed=settings.seed,
                threads=settings.threads,
                checkpoint_dir=folder.checkpoint,
                resume=resume,
                callbacks=[EpochPictures(folder.epochs, dataset, settings.seed)],
                verbose=1 if sys.stdout.isatty() else 2,
                stopwatch=stopwatch,
            )
        write_report(experiment, folder, stopwatch)
        if page:
            from latentknn.pages import write_experiment_page

            write_experiment_page(experiment, folder.whole_page, stopwatch=stopwatch)
    except KeyboardInterrupt:
        print(
            f"\nlatentknn run --out {folder.path} --resume goes on from the last whole epoch.",
            file=sys.stderr,
        )
        raise
    print(f"\n{_summary(experiment, folder)}")
    if page:
        print(f"Page: {folder.whole_page}")


def _limit_threads(threads: int | None) -> None:
    """Set the environment variables that TensorFlow and OpenMP read when they are first imported."""
    if threads is not None:
        for variable in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS"):
            os.environ[variable] = str(threads)


def _load_dataset(settings: RunSettings) -> Dataset:
    from latentknn.datasets import DatasetNotFoundError, load

    what = f"load {settings.dataset}"
    try:
        with as_command_error(ValueError, TypeError, ImportError):
            if settings.data is not None:
                with bar(what):
                    return load(settings.dataset, settings.data, image_size=settings.image_size)
            # Keras, which may download the data, imports TensorFlow.
            with errors_held_back() as real, bar(what, real):
                return load(settings.dataset, image_size=settings.image_size)
    except DatasetNotFoundError as error:
        raise CommandError(f"{error}\n{NO_DATASET}") from error


def _create_model(settings: RunSettings, dataset: Dataset) -> ImageEncoder:
    from latentknn.models import create

    with as_command_error(ImportError):
        import_tensorflow()
    given = {"input_shape": dataset.image_shape, "seed": settings.seed}
    if MODELS[settings.model].uses_labels:
        given["num_classes"] = len(dataset.class_names)
    try:
        return create(settings.model, **given, **settings.options)
    except (TypeError, ValueError) as error:
        raise CommandError(f"{settings.model} cannot be made with {settings.options}: {error}") from error


def _check_patience(settings: RunSettings, model: ImageEncoder) -> None:
    if settings.patience is not None:
        from latentknn.evaluation.early_stopping import early_stopping

        with as_command_error(ValueError):
            early_stopping(model, settings.patience)


def _summary(experiment: Experiment, folder: RunFolder) -> str:
    from latentknn.evaluation import compare_results

    sentences = "\n".join(comparison.sentence for comparison in compare_results(experiment))
    rows = [("", "vote", "accuracy", "95 % interval")]
    for name, result in experiment.results.items():
        low, high = result.accuracy.interval()
        rows.append((name, str(result.vote), f"{result.accuracy.value:.4f}", f"{low:.4f} to {high:.4f}"))
    best = experiment.best_epoch
    weights = (
        ""
        if best is None
        else f"\nThe weights are those of epoch {best}, which had the lowest held-out loss."
    )
    return (
        f"{format_table(rows)}\n{sentences}\n"
        f"The vote was chosen on {len(experiment.held_out):,} held-out training images; "
        f"the test set has {experiment.chosen.accuracy.total:,} images.{weights}\n\n"
        f"Report: {folder.page}"
    )
