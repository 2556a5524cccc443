"""The training behind ``ImageEncoder.fit``: that of Keras, with checkpoints from which it goes on."""

import json
from collections.abc import Iterable
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numpy.typing import ArrayLike

from latentknn.models.backend import keras
from latentknn.models.base.checkpoint import Checkpoint
from latentknn.models.base.fit_options import FitOptions
from latentknn.models.base.inputs import arrange, prepare_validation, split_validation, training_data
from latentknn.models.training.data import TrainingData
from latentknn.models.training.lost_interrupts import LostInterrupts
from latentknn.models.training.optimizers import name_of
from latentknn.models.training.time_left import TimeLeft

if TYPE_CHECKING:
    from latentknn.models.base.image_model import ImageModel


def train(
    model: "ImageModel",
    x: Any,
    y: ArrayLike | None,
    *,
    batch_size: int | None,
    epochs: int,
    verbose: str | int,
    callbacks: Iterable[Any],
    validation_data: Any,
    checkpoint_dir: str | PathLike[str] | None,
    resume: bool,
    options: FitOptions,
) -> Any:
    """Train ``model``; arguments, results and errors are those of ``ImageEncoder.fit``."""
    options.check_resumed(resume)
    if options.validation_split > 0 and validation_data is None:
        (x, y, weights), validation_data = split_validation(
            x, y, options.sample_weight, options.validation_split
        )
        options = replace(options, sample_weight=weights)
    data = training_data(model, x, y, batch_size, options)
    steps = data.steps_per_epoch
    schedule = model.schedule(None if steps is None else steps * epochs)
    callbacks = [*schedule, *callbacks]
    validation_data = prepare_validation(model, validation_data)
    first_epoch = options.initial_epoch

    history = keras.callbacks.History()
    checkpoint = None
    if checkpoint_dir is not None:
        training = {**_describe(model, data), **options.describe()}
        if schedule:
            training["epochs"] = epochs
        checkpoint = Checkpoint(Path(checkpoint_dir), training, callbacks)
        if checkpoint.path.exists():
            if not resume:
                raise FileExistsError(
                    f"{checkpoint.path} holds a training; pass resume=True to go on with it, "
                    "or give another checkpoint_dir"
                )
            checkpoint.restore(model)
            first_epoch = checkpoint.next_epoch
            if checkpoint.stopped_early:
                epochs = first_epoch
        callbacks.append(checkpoint)
    elif resume:
        raise ValueError("resume=True needs checkpoint_dir, the folder of the checkpoint")

    # Keras must not shuffle: arrays come in the order of their seed and epoch, a dataset in its own.
    with LostInterrupts() as lost_interrupts:
        keras.Model.fit(
            model,
            data.batches(first_epoch, epochs).map(lambda *parts: arrange(model, parts, data.weighted)),
            steps_per_epoch=steps,
            initial_epoch=first_epoch,
            epochs=epochs,
            shuffle=False,
            verbose=verbose,
            callbacks=[lost_interrupts, TimeLeft(), *callbacks, history],
            validation_data=validation_data,
            validation_batch_size=data.batch_size or model.default_batch_size,
        )
    if checkpoint is not None:
        history.epoch, history.history = checkpoint.epoch, checkpoint.history
    return history


def _describe(model: "ImageModel", data: TrainingData) -> dict[str, Any]:
    """Describe a training as JSON values: what must not change when it is resumed."""
    config = model.get_config()
    del config["name"]
    description = {
        "model": model.registry_name,
        **config,
        "optimizer": name_of(model.optimizer),
        "batch_size": data.batch_size,
        "training images": data.description,
    }
    return json.loads(json.dumps(description))  # type: ignore[no-any-return]
