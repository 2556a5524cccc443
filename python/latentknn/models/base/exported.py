"""What an exported model computes."""

from typing import Any

from latentknn.models.backend import keras


class ExportedModel(keras.Model):  # type: ignore[misc]
    """A model of Keras whose call is ``serve`` of one of ours, for Keras's exporters, which write down calls.

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
