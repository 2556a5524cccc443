"""Images and labels that a model is given are checked, and arranged as Keras expects them.

The first argument of each function is the model. Of it the functions read the shape of the images, whether it
learns from labels, and how many classes there are.
"""

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from latentknn.models.backend import keras, tf
from latentknn.models.base.fit_options import FitOptions
from latentknn.models.base.in_batches import check_batch_size
from latentknn.models.base.weights import check_weighable, prepare_weights, weight_table
from latentknn.models.images import prepare_images
from latentknn.models.training.data import ArrayData, DatasetData, SequenceData, TrainingData
from latentknn.models.training.prepared import prepare_dataset
from latentknn.models.training.sequences import as_dataset

if TYPE_CHECKING:
    from latentknn.models.base.image_model import ImageModel


def training_data(
    model: "ImageModel", x: Any, y: ArrayLike | None, batch_size: int | None, options: FitOptions
) -> TrainingData:
    """Return the batches that ``fit`` trains on, for images and labels, or a dataset of them.

    Raises
    ------
    TypeError, ValueError
        If images, labels or weights are wrong, there is no image, ``batch_size`` is below 1, or a dataset
        comes with labels, weights or a batch size beside it.
    """
    if isinstance(x, tf.data.Dataset | keras.utils.PyDataset):
        return _batched_data(model, x, y, batch_size, options)
    arrays = prepare_arrays(model, x, y)
    count = len(arrays[0])
    if count == 0:
        raise ValueError("received no images to train on")
    labels = None if y is None else class_numbers(y, count)
    weights = prepare_weights(model, labels, count, options.sample_weight, options.class_weight)
    return ArrayData(
        arrays if weights is None else (*arrays, weights),
        model.default_batch_size if batch_size is None else check_batch_size(batch_size),
        model.seed,
        weighted=weights is not None,
        shuffle=options.shuffle,
        steps_per_epoch=options.steps_per_epoch,
    )


def _batched_data(
    model: "ImageModel", x: Any, y: ArrayLike | None, batch_size: int | None, options: FitOptions
) -> TrainingData:
    if y is not None or batch_size is not None:
        raise ValueError("a dataset holds labels and batches itself: leave y and batch_size out")
    if options.sample_weight is not None:
        raise ValueError(
            "a dataset holds weights itself, as the third part of a batch: leave sample_weight out"
        )
    class_weight = None if options.class_weight is None else weight_table(model, options.class_weight)
    steps = options.steps_per_epoch
    data: TrainingData
    if isinstance(x, tf.data.Dataset):
        data = DatasetData(x, model.input_shape, _num_labels(model), class_weight, steps)
    else:
        data = SequenceData(
            x,
            model.input_shape,
            _num_labels(model),
            class_weight,
            seed=model.seed,
            shuffle=options.shuffle,
            steps_per_epoch=steps,
        )
    if data.weighted:
        check_weighable(model)
    return data


def split_validation(
    x: Any, y: ArrayLike | None, sample_weight: ArrayLike | None, share: float
) -> tuple[tuple[Any, Any, Any], tuple[Any, Any, Any]]:
    """Split the last share of arrays off, as Keras does: images, labels and weights of both sides.

    Raises
    ------
    ValueError
        If ``x`` is a dataset, whose end is not known, or one side would be empty.
    """
    if isinstance(x, tf.data.Dataset | keras.utils.PyDataset):
        raise ValueError("validation_split needs arrays; pass a part of the dataset as validation_data")
    images = np.asarray(x)
    place = math.floor(len(images) * (1 - share))
    if place in (0, len(images)):
        raise ValueError(f"validation_split {share} of {len(images)} images leaves none on one side")
    others = [None if part is None else np.asarray(part) for part in (y, sample_weight)]
    first, last = (
        (images[side], *(None if part is None else part[side] for part in others))
        for side in (slice(place), slice(place, None))
    )
    return first, last  # type: ignore[return-value]


def prepare_validation(model: "ImageModel", validation_data: Any) -> Any:
    """Return the ``validation_data`` of ``fit`` as Keras takes it: a tuple, a dataset or None.

    Raises
    ------
    TypeError, ValueError
        As ``prepare_evaluation``, or if a tuple has more than three parts.
    """
    if validation_data is None:
        return None
    if not isinstance(validation_data, tuple):
        return prepare_evaluation(model, validation_data)
    if len(validation_data) > 3:
        raise ValueError(
            f"received validation_data of {len(validation_data)} parts, expected images, (images, labels) or "
            "(images, labels, weights)"
        )
    return prepare_evaluation(model, *validation_data)


def prepare_evaluation(
    model: "ImageModel", x: Any, y: ArrayLike | None = None, sample_weight: ArrayLike | None = None
) -> Any:
    """Return what is evaluated as Keras takes it: (x,), (x, y), (x, y, w) or a dataset.

    Raises
    ------
    TypeError, ValueError
        If images, labels or weights are wrong, there is no image, or a dataset comes with labels or weights
        beside it.
    """
    dataset = as_dataset(x)
    if dataset is not None:
        if y is not None or sample_weight is not None:
            raise ValueError("a dataset holds labels and weights itself: leave y out, and sample_weight too")
        batches, weighted = prepare_dataset(dataset, model.input_shape, _num_labels(model))
        if weighted:
            check_weighable(model)
        return batches.map(lambda *parts: arrange(model, parts, weighted))
    arrays = prepare_arrays(model, x, y)
    if len(arrays[0]) == 0:
        raise ValueError("received no images to evaluate")
    weights = prepare_weights(model, None, len(arrays[0]), sample_weight, None)
    return arrange(model, arrays if weights is None else (*arrays, weights), weights is not None)


def arrange(model: "ImageModel", parts: tuple[Any, ...], weighted: bool) -> tuple[Any, ...]:
    """Return images, labels and weights of a batch as Keras takes them: (x,), (x, y) or (x, y, w)."""
    if not weighted:
        return model.arrange_batch(*parts)
    x, y, _ = keras.utils.unpack_x_y_sample_weight(model.arrange_batch(*parts[:-1]))
    return x, y, parts[-1]


def prepare_pair(model: "ImageModel", x: Any, y: ArrayLike | None) -> tuple[Any, Any]:
    """Return the first two arguments of those methods of Keras that train or evaluate."""
    prepared = prepare_evaluation(model, x, y)
    if isinstance(prepared, tf.data.Dataset):
        return prepared, None
    x, y, _ = keras.utils.unpack_x_y_sample_weight(prepared)
    return x, y


def prepare_arrays(model: "ImageModel", x: ArrayLike, y: ArrayLike | None) -> tuple[NDArray[Any], ...]:
    """Return checked images, and their labels if the model learns from them: (images,) or (images, labels).

    Raises
    ------
    TypeError, ValueError
        As ``prepare_images`` and ``check_labels``.
    """
    images = prepare_images(x, model.input_shape)
    labels = check_labels(model, y, len(images))
    return (images,) if labels is None else (images, labels)


def check_labels(model: "ImageModel", y: ArrayLike | None, images: int) -> NDArray[np.int64] | None:
    """Return the labels that the model learns from: None if it learns without.

    Raises
    ------
    ValueError
        If labels are missing that the model learns from, there is not one integer for each of the ``images``
        images, or one is no class of the model.
    """
    if y is None:
        if model.uses_labels:
            raise ValueError(f"{model.registry_name} learns from labels: pass them as y")
        return None
    unused = "" if model.uses_labels else f" (which {model.registry_name} does not use)"
    labels = class_numbers(y, images, unused)
    if not model.uses_labels:
        return None
    if labels.size > 0 and not 0 <= labels.min() <= labels.max() < model.num_classes:
        raise ValueError(
            f"received labels from {labels.min()} to {labels.max()}, expected 0 to "
            f"{model.num_classes - 1}; num_classes is an argument of the model"
        )
    return labels.astype(np.int64)


def class_numbers(y: ArrayLike, images: int, unused: str = "") -> NDArray[np.integer[Any]]:
    """Return labels as one integer for every image, which one-hot labels become too.

    Raises
    ------
    ValueError
        If they are neither integers, one for each of the ``images`` images, nor one-hot.
    """
    labels = np.asarray(y)
    numbers = labels.dtype.kind in "biuf"
    if numbers and labels.ndim == 2 and len(labels) == images and labels.shape[1] > 1:
        rows_of_one = (np.count_nonzero(labels, axis=1) == 1) & (labels.max(axis=1) == 1)
        if not rows_of_one.all():
            row = int(np.argmin(rows_of_one))
            raise ValueError(
                f"received y of shape {labels.shape} whose row {row} is {labels[row]}, expected one-hot "
                "labels: a single 1 in every row and zeros elsewhere"
            )
        return np.asarray(labels.argmax(axis=1))
    if labels.shape != (images,) or not np.issubdtype(labels.dtype, np.integer):
        raise ValueError(
            f"received y of shape {labels.shape} and dtype {labels.dtype} for {images} images, "
            f"expected one integer label for every image{unused}"
        )
    return labels


def _num_labels(model: "ImageModel") -> int | None:
    return model.num_classes if model.uses_labels else None
