"""A wrapper gives the exporters of Keras a model whose call is ``serve``."""

from typing import Any

from latentknn.models.backend import keras


class ExportedModel(keras.Model):  # type: ignore[misc]
    """A Keras model whose call is the ``serve`` of another, because Keras exports what a call computes.

    Parameters
    ----------
    model : ImageEncoder
        The model that is exported; it is not changed.
    """

    def __init__(self, model: Any) -> None:
        super().__init__(name=model.name)
        self.model = model

    def call(self, inputs: Any) -> dict[str, Any]:
        """Return what ``serve`` returns."""
        outputs: dict[str, Any] = self.model.serve(inputs)
        return outputs
