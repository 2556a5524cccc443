"""Times training against the plain Keras loop that a user would write, and other ways to make the same steps.

    python -m benchmarks.zoo.training_speed        # minutes, on one thread; writes a table into zoo.md

The plain loop is `keras.Sequential` of the same layers, with the same optimizer and loss, fitted to float32
arrays in memory. Time is the processor's, so other work on the machine counts little.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.harness.processes import in_fresh_process
from benchmarks.harness.results import write_json
from benchmarks.harness.timing import Spread, paired_times, ratios
from benchmarks.zoo import tables
from latentknn import datasets

# These models have layers one after the other and a loss of Keras's; a round takes so many images.
MODELS = {
    "stacked_ae": 12_800,
    "deep_ae": 6_400,
    "simple_ae": 12_800,
    "conv_ae": 2_560,
    "pool_ae": 5_120,
    "denoising_ae": 12_800,
    "dropout_ae": 12_800,
    "metric": 2_560,
}
ROUNDS = 3
THREADS = 1


@dataclass(frozen=True)
class Way:
    """Trains a network of its own for one epoch more whenever it is called; returns the mean loss."""

    train: Callable[[], float]


def ways_to_train(name: str, images: Any, labels: Any) -> dict[str, Way]:
    """Return the ways to train a model, by name; "fit" is latentknn's own."""
    from latentknn import models

    def fit(dtype: str = "float32", **compiled: Any) -> Way:
        model = models.create(name, dtype=dtype)
        if compiled:
            model.compile(optimizer=model.optimizer, loss=model.loss, **compiled)
        return Way(lambda: model.fit(images, labels, verbose=0).history["loss"][-1])

    return {
        "fit": fit(),
        "plain Keras": plain_loop(models.create(name), images, labels),
        "fit, XLA": fit(jit_compile=True),
        "fit, bfloat16": fit("mixed_bfloat16"),
        "fit, 16 steps at once": fit(steps_per_execution=16, jit_compile=False),
    }


def plain_loop(model: Any, images: Any, labels: Any) -> Way:
    """Return Keras's own loop over the layers of a model; where they are ours, over Keras's of their kind."""
    from latentknn.models.backend import keras

    def of_keras(layer: Any) -> Any:
        plain = {"BatchNormalization": keras.layers.BatchNormalization, "Dropout": keras.layers.Dropout}
        return plain.get(type(layer).__name__, type(layer)).from_config(layer.get_config())

    def network_of_keras(network: Any) -> Any:
        return keras.models.clone_model(network, clone_function=of_keras)

    scaled = images[..., None].astype(np.float32) / np.float32(255)
    if model.uses_labels:
        layers, targets = (
            [model.augmentation, network_of_keras(model.encoder), model.head],
            np.eye(10, dtype=np.float32)[labels],
        )
    else:
        layers, targets = [network_of_keras(each) for each in (model.encoder, model.decoder)], scaled
    network = keras.Sequential([keras.Input(model.input_shape), *layers])
    network.compile(optimizer=model.make_optimizer(), loss=model.loss, jit_compile=False)
    batch = model.default_batch_size
    return Way(lambda: network.fit(scaled, targets, batch_size=batch, verbose=0).history["loss"][-1])


def measure(name: str) -> dict[str, Any]:
    """Return images per processor second of "fit", and how many times as fast every other way is."""
    from latentknn.models.backend import tf

    tf.config.threading.set_intra_op_parallelism_threads(THREADS)
    tf.config.threading.set_inter_op_parallelism_threads(THREADS)
    dataset, count = datasets.load("fashion_mnist"), MODELS[name]
    ways = ways_to_train(name, dataset.train_images[:count], dataset.train_labels[:count])
    times = paired_times(
        {way: lambda _, train=train.train: train() for way, train in ways.items()},
        lambda round_number: None,
        ROUNDS,
        check_loss,
        clock=time.process_time,
    )
    return {
        "images": count,
        "images/s": Spread.of([count / seconds for seconds in times["fit"]]).__dict__,
        "over": {way: ratios(times["fit"], times[way]).__dict__ for way in ways if way != "fit"},
    }


def check_loss(way: str, round_number: int, loss: float) -> None:
    """Refuse what did not train."""
    if not np.isfinite(loss):
        raise SystemExit(f"{way} diverged in round {round_number}")


def main() -> None:
    from latentknn.report.environment import describe_environment

    about = describe_environment(THREADS)
    measured: dict[str, Any] = {}
    for name in MODELS:
        measured[name] = in_fresh_process(measure, name)
        write_json("training", {"about": about, "models": measured})
        print(f"{name}: {measured[name]}", flush=True)
    tables.write_page()
    print(tables.training_table(measured))


if __name__ == "__main__":
    main()
