"""Weights of samples and classes are checked, and become one weight for every image of a training."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

if TYPE_CHECKING:
    from latentknn.models.base.image_model import ImageModel

ClassWeight = Mapping[int, float]


def check_weighable(model: "ImageModel") -> None:
    """Refuse weights for a model whose losses cannot be weighted.

    Raises
    ------
    ValueError
        If the model learns from the images of a batch together, as by comparing them with each other.
    """
    if not model.weighs_samples:
        raise ValueError(
            f"{model.registry_name} takes no sample_weight and no class_weight: it learns from the images "
            "of a batch together, so that none has a loss of its own"
        )


def prepare_weights(
    model: "ImageModel",
    labels: NDArray[Any] | None,
    count: int,
    sample_weight: ArrayLike | None,
    class_weight: ClassWeight | None,
) -> NDArray[np.float32] | None:
    """Return a weight for each of ``count`` images, float32; None if all count alike.

    Raises
    ------
    ValueError
        If both kinds of weights are given, the model takes none, a weight is negative or not finite, there is
        not one for every image, or labels are missing that ``class_weight`` needs.
    """
    if sample_weight is None and class_weight is None:
        return None
    check_weighable(model)
    if sample_weight is not None and class_weight is not None:
        raise ValueError("received sample_weight and class_weight; pass one, the product of both if need be")
    if sample_weight is not None:
        weights = np.asarray(sample_weight)
        if weights.shape != (count,) or weights.dtype.kind not in "biuf":
            raise ValueError(
                f"received sample_weight of shape {weights.shape} and dtype {weights.dtype} for {count} "
                "images, expected one number for every image"
            )
        _check_range("sample_weight", weights)
        return weights.astype(np.float32)
    assert class_weight is not None
    if labels is None:
        raise ValueError("class_weight needs labels: pass them as y")
    table = weight_table(model, class_weight)
    return np.array([table.get(int(label), 1.0) for label in labels], np.float32)


def weight_table(model: "ImageModel", class_weight: ClassWeight) -> dict[int, float]:
    """Return the weight of every class that ``class_weight`` names; others have the weight 1, as in Keras.

    Raises
    ------
    ValueError
        If a class is no integer or unknown to the model, or a weight is negative or not finite.
    """
    number_of_classes = model.num_classes if model.uses_labels else None
    for label in class_weight:
        is_number = isinstance(label, int | np.integer)
        if not is_number or (number_of_classes is not None and not 0 <= label < number_of_classes):
            expected = "integers" if number_of_classes is None else f"0 to {number_of_classes - 1}"
            raise ValueError(f"received class_weight for class {label!r}, expected classes {expected}")
    _check_range("class_weight", np.array(list(class_weight.values()), np.float64))
    return {int(label): float(weight) for label, weight in class_weight.items()}


def _check_range(name: str, weights: NDArray[Any]) -> None:
    wrong = ~(np.isfinite(weights) & (weights >= 0))
    if wrong.any():
        place = int(wrong.argmax())
        raise ValueError(f"received {name} {weights[place]} at place {place}, expected finite numbers from 0")
