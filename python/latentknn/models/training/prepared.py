"""Batches of a ``tf.data.Dataset`` are checked and brought to the types that models compute on."""

from typing import Any

from latentknn.models.backend import tf
from latentknn.models.images import ImageShape


def prepare_dataset(
    dataset: Any,
    input_shape: ImageShape,
    num_classes: int | None,
    class_weight: dict[int, float] | None = None,
    *,
    endless: bool = False,
) -> tuple[Any, bool]:
    """Return the batches of ``dataset`` as tuples of images, their labels and their weights.

    Parameters
    ----------
    dataset : tf.data.Dataset
        Batches of images, of (images, labels), or of (images, labels, weights).
    input_shape : tuple of int
        (H, W, C) of the model.
    num_classes : int or None
        Number of classes of a model that learns from labels; None: labels are dropped.
    class_weight : dict of int to float, optional
        Weight of the images of every class; 1 for those that it does not name.
    endless : bool
        Whether the dataset may have no end.

    Returns
    -------
    batches : tf.data.Dataset
        Tuples of images, which are uint8 or float32 of shape (N, H, W, C); then labels, int64, if
        ``num_classes`` is given; then weights, float32, if there are any. A batch with values out of range
        raises ``tf.errors.InvalidArgumentError`` when it is taken.
    weighted : bool
        Whether there are weights.

    Raises
    ------
    ValueError
        If the dataset has no end, holds something else than images, labels and weights, or images of another
        shape.
    """
    if not endless and dataset.cardinality() == tf.data.INFINITE_CARDINALITY:
        raise ValueError(
            "received a dataset without an end; give an epoch its length with dataset.take(...), or fit its "
            "steps_per_epoch"
        )
    spec = dataset.element_spec
    specs = spec if isinstance(spec, tuple) else (spec,)
    if len(specs) > 3 or not all(isinstance(part, tf.TensorSpec) for part in specs):
        raise ValueError(
            f"received a dataset of {spec}, expected batches of images, of (images, labels) or of (images, "
            "labels, weights)"
        )
    if num_classes is not None and len(specs) == 1:
        raise ValueError("received a dataset of images alone; this model learns from (images, labels)")
    if class_weight is not None and len(specs) != 2:
        raise ValueError(f"class_weight needs batches of (images, labels), received {len(specs)} parts")
    one_hot = len(specs) > 1 and specs[1].shape.rank == 2
    if num_classes is not None and not specs[1].dtype.is_integer and not one_hot:
        raise ValueError(f"received a dataset with labels of {specs[1].dtype.name}, expected integers")

    height, width, channels = input_shape
    without_channels = channels == 1 and specs[0].shape.rank == 3
    expected = (None, height, width) if without_channels else (None, *input_shape)
    if not specs[0].shape.is_compatible_with(expected):
        raise ValueError(
            f"received a dataset of images of shape {specs[0].shape}, but the model takes batches of shape "
            f"(N, {height}, {width}, {channels})"
        )

    weigh = None if class_weight is None else _class_weigher(class_weight)

    def prepare(images: Any, labels: Any = None, weights: Any = None) -> tuple[Any, ...]:
        images = _prepare_images(tf.ensure_shape(images, expected))
        if without_channels:
            images = images[..., tf.newaxis]
        if one_hot:
            labels = _from_one_hot(labels)
        if weigh is not None:
            weights = weigh(labels)
        parts = (images,) if num_classes is None else (images, _prepare_labels(labels, num_classes))
        return parts if weights is None else (*parts, _prepare_weights(weights))

    return dataset.map(prepare).prefetch(2), len(specs) == 3 or class_weight is not None


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


def _from_one_hot(labels: Any) -> Any:
    labels = tf.cast(labels, tf.float32)
    message = "one-hot labels have a single 1 in every row and zeros elsewhere; others are integers of rank 1"
    checks = [
        tf.debugging.assert_equal(tf.reduce_sum(labels, axis=1), 1.0, message),
        tf.debugging.assert_equal(tf.reduce_max(labels, axis=1), 1.0, message),
        tf.debugging.assert_non_negative(labels, message),
    ]
    with tf.control_dependencies(checks):
        return tf.argmax(labels, axis=1)


def _class_weigher(class_weight: dict[int, float]) -> Any:
    table = tf.lookup.StaticHashTable(
        tf.lookup.KeyValueTensorInitializer(
            list(class_weight), list(class_weight.values()), tf.int64, tf.float32
        ),
        default_value=1.0,
    )
    return lambda labels: table.lookup(tf.cast(labels, tf.int64))


def _prepare_weights(weights: Any) -> Any:
    weights = tf.cast(weights, tf.float32)
    message = "weights are one finite number from 0 for every image"
    checks = [
        tf.debugging.assert_rank(weights, 1, message),
        tf.debugging.assert_non_negative(weights, message),
        tf.debugging.assert_less(weights, float("inf"), message),
    ]
    with tf.control_dependencies(checks):
        return tf.identity(weights)
