"""Images and labels that a model is given are checked, and arranged as Keras expects them.

The first argument of each function is the model. Of it the functions read the shape of the images, whether it
learns from labels, and how many classes there are.
"""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from latentknn.models.backend import keras, tf
from latentknn.models.base.in_batches import check_batch_size
from latentknn.models.images import prepare_images
from latentknn.models.training.data import ArrayData, DatasetData, prepare_dataset

if TYPE_CHECKING:
    from latentknn.models.base.image_model import ImageModel


def training_data(
    model: "ImageModel", x: Any, y: ArrayLike | None, batch_size: int | None
) -> ArrayData | DatasetData:
    """Return the batches that ``fit`` trains on, for images and labels, or a dataset of them.

    Raises
    ------
    TypeError, ValueError
        If images or labels are wrong, there is no image, ``batch_size`` is below 1, or a dataset comes with
        labels or a batch size beside it.
    """
    if isinstance(x, tf.data.Dataset):
        if y is not None or batch_size is not None:
            raise ValueError("a dataset holds labels and batches itself: leave y and batch_size out")
        return DatasetData(x, model.input_shape, _num_labels(model))
    arrays = prepare_arrays(model, x, y)
    if len(arrays[0]) == 0:
        raise ValueError("received no images to train on")
    batch_size = model.default_batch_size if batch_size is None else check_batch_size(batch_size)
    return ArrayData(arrays, batch_size, model.seed)


def prepare_validation(model: "ImageModel", validation_data: Any) -> Any:
    """Return the ``validation_data`` of ``fit`` as Keras takes it: (x,), (x, y), a dataset or None.

    Raises
    ------
    TypeError, ValueError
        As ``prepare_evaluation``, or if a tuple has more than two parts.
    """
    if validation_data is None:
        return None
    if not isinstance(validation_data, tuple):
        return prepare_evaluation(model, validation_data)
    if len(validation_data) > 2:
        raise ValueError(
            f"received validation_data of {len(validation_data)} parts, expected images or (images, labels)"
        )
    return prepare_evaluation(model, *validation_data)


def prepare_evaluation(model: "ImageModel", x: Any, y: ArrayLike | None = None) -> Any:
    """Return images and labels that are evaluated as Keras takes them: (x,), (x, y) or a dataset.

    Raises
    ------
    TypeError, ValueError
        If images or labels are wrong, there is no image, or a dataset comes with labels beside it.
    """
    if isinstance(x, tf.data.Dataset):
        if y is not None:
            raise ValueError("a dataset holds labels itself: leave y out")
        dataset = prepare_dataset(x, model.input_shape, _num_labels(model))
        return dataset.map(model.arrange_batch)
    arrays = prepare_arrays(model, x, y)
    if len(arrays[0]) == 0:
        raise ValueError("received no images to evaluate")
    return model.arrange_batch(*arrays)


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
    labels = np.asarray(y)
    if labels.shape != (images,) or not np.issubdtype(labels.dtype, np.integer):
        unused = "" if model.uses_labels else f" (which {model.registry_name} does not use)"
        raise ValueError(
            f"received y of shape {labels.shape} and dtype {labels.dtype} for {images} images, "
            f"expected one integer label for every image{unused}"
        )
    if not model.uses_labels:
        return None
    if labels.size > 0 and not 0 <= labels.min() <= labels.max() < model.num_classes:
        raise ValueError(
            f"received labels from {labels.min()} to {labels.max()}, expected 0 to "
            f"{model.num_classes - 1}; num_classes is an argument of the model"
        )
    return labels.astype(np.int64)


def _num_labels(model: "ImageModel") -> int | None:
    return model.num_classes if model.uses_labels else None
