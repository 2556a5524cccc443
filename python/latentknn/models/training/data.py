"""Arrays and ``tf.data.Dataset`` objects become the batches that ``fit`` trains on."""

from typing import Any

from numpy.typing import NDArray

from latentknn.models.backend import tf
from latentknn.models.images import ImageShape
from latentknn.models.training.batches import batches_per_epoch, training_batches


class ArrayData:
    """Arrays, shuffled anew for every epoch.

    Parameters
    ----------
    arrays : tuple of ndarray, each of shape (N, ...)
        Images, or images and labels.
    batch_size : int
        Images of a batch.
    seed : int
        Seed of the order.
    """

    def __init__(self, arrays: tuple[NDArray[Any], ...], batch_size: int, seed: int) -> None:
        self._arrays = arrays
        self._seed = seed
        self.batch_size = batch_size
        self.steps_per_epoch = batches_per_epoch(len(arrays[0]), batch_size)
        self.description = str(arrays[0].shape)

    def batches(self, first_epoch: int, epochs: int) -> Any:
        """Return the batches of the epochs from ``first_epoch`` to ``epochs``, one after the other."""
        return training_batches(self._arrays, self.batch_size, self._seed, first_epoch, epochs)


class DatasetData:
    """A dataset, which gives each epoch what it gives.

    Parameters
    ----------
    dataset : tf.data.Dataset
        Dataset as ``prepare_dataset`` takes it.
    input_shape, num_classes
        As ``prepare_dataset`` takes them.
    """

    def __init__(self, dataset: Any, input_shape: ImageShape, num_classes: int | None) -> None:
        self._dataset = prepare_dataset(dataset, input_shape, num_classes)
        cardinality = int(dataset.cardinality())
        self.batch_size = None
        self.steps_per_epoch = cardinality if cardinality >= 0 else None
        self.description = str(dataset.element_spec)

    def batches(self, first_epoch: int, epochs: int) -> Any:
        """Return the batches of one epoch; Keras takes them again for every epoch."""
        return self._dataset


def prepare_dataset(dataset: Any, input_shape: ImageShape, num_classes: int | None) -> Any:
    """Return the batches of ``dataset`` as pairs of images and labels, or as images alone.

    Parameters
    ----------
    dataset : tf.data.Dataset
        Batches of images, or of (images, labels).
    input_shape : tuple of int
        (H, W, C) of the model.
    num_classes : int or None
        Number of classes of a model that learns from labels; None: labels are dropped.

    Returns
    -------
    tf.data.Dataset
        Tuples (images,) or (images, labels); images are uint8 or float32 of shape (N, H, W, C), labels int64.
        A batch with values out of range raises ``tf.errors.InvalidArgumentError`` when it is taken.

    Raises
    ------
    ValueError
        If the dataset has no end, holds something else than images and labels, or images of another shape.
    """
    if dataset.cardinality() == tf.data.INFINITE_CARDINALITY:
        raise ValueError("received a dataset without an end; give an epoch its length with dataset.take(...)")
    spec = dataset.element_spec
    specs = spec if isinstance(spec, tuple) else (spec,)
    if len(specs) > 2 or not all(isinstance(part, tf.TensorSpec) for part in specs):
        raise ValueError(f"received a dataset of {spec}, expected batches of images or of (images, labels)")
    if num_classes is not None and len(specs) == 1:
        raise ValueError("received a dataset of images alone; this model learns from (images, labels)")
    if num_classes is not None and not specs[1].dtype.is_integer:
        raise ValueError(f"received a dataset with labels of {specs[1].dtype.name}, expected integers")

    height, width, channels = input_shape
    without_channels = channels == 1 and specs[0].shape.rank == 3
    expected = (None, height, width) if without_channels else (None, *input_shape)
    if not specs[0].shape.is_compatible_with(expected):
        raise ValueError(
            f"received a dataset of images of shape {specs[0].shape}, but the model takes batches of shape "
            f"(N, {height}, {width}, {channels})"
        )

    def prepare(images: Any, labels: Any = None) -> tuple[Any, ...]:
        images = _prepare_images(tf.ensure_shape(images, expected))
        if without_channels:
            images = images[..., tf.newaxis]
        if num_classes is None:
            return (images,)
        return images, _prepare_labels(labels, num_classes)

    return dataset.map(prepare).prefetch(2)


def _prepare_images(images: Any) -> Any:
    if images.dtype == tf.bool:
        return tf.cast(images, tf.float32)
    highest = 255 if images.dtype.is_integer else 1
    message = f"images go from 0 to {highest}: integers to 255, floats to 1"
    # A NaN fails the first of these checks, because no comparison with NaN is true.
    checks = [tf.debugging.assert_greater_equal(images, tf.cast(0, images.dtype), message)]
    # A type that cannot hold the highest value, as int8 cannot hold 255, needs no second check.
    if images.dtype.max > highest:
        checks.append(tf.debugging.assert_less_equal(images, tf.cast(highest, images.dtype), message))
    with tf.control_dependencies(checks):
        return tf.cast(images, tf.uint8 if images.dtype.is_integer else tf.float32)


def _prepare_labels(labels: Any, num_classes: int) -> Any:
    labels = tf.cast(labels, tf.int64)
    message = f"labels go from 0 to {num_classes - 1}"
    checks = [
        tf.debugging.assert_rank(labels, 1, "labels are one integer for every image"),
        tf.debugging.assert_non_negative(labels, message),
        tf.debugging.assert_less(labels, tf.constant(num_classes, tf.int64), message),
    ]
    with tf.control_dependencies(checks):
        return tf.identity(labels)
