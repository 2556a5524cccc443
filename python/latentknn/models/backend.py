"""Keras and TensorFlow are imported and configured in this one place.

Importing this module imports both. Memory on GPUs then grows as it is needed, instead of being taken whole.
"""

try:
    import tensorflow as tf
except ImportError as error:
    raise ModuleNotFoundError(
        f"latentknn's models need TensorFlow and Keras ({error}); "
        'install them with: pip install "latentknn[tensorflow]"'
    ) from error

for _gpu in tf.config.list_physical_devices("GPU"):
    try:
        tf.config.experimental.set_memory_growth(_gpu, True)
    except RuntimeError:
        # The caller has used the GPU already, and its memory cannot be configured any more.
        break

import keras  # noqa: E402

if keras.backend.backend() != "tensorflow":
    raise ImportError(
        f"latentknn's models need Keras on TensorFlow, but Keras runs on {keras.backend.backend()}; "
        "set the environment variable KERAS_BACKEND=tensorflow before Keras is imported"
    )

JIT_COMPILE = "auto" if tf.config.list_physical_devices("GPU") else False
"""The argument ``jit_compile`` with which the models are compiled.

On a processor XLA takes long to compile, and most models then run slower; benchmarks/zoo.md has the figures.
"""

__all__ = ["JIT_COMPILE", "keras", "tf"]
