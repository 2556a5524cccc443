"""The error of a model that lacks an operation."""

from latentknn.models.registry import MODELS


class UnsupportedOperationError(NotImplementedError):
    """A model lacks an operation that others have; the message names the model, the operation and those.

    Examples
    --------
    >>> from latentknn.models import UnsupportedOperationError, create
    >>> model = create("metric", input_shape=(8, 8, 1), latent_dim=6, filters=(4, 8))
    >>> try:
    ...     model.generate(3)
    ... except UnsupportedOperationError as error:
    ...     print("metric" in str(error))
    True
    """

    def __init__(self, model: str, operation: str) -> None:
        able = [entry.name for entry in MODELS.values() if operation in entry.capabilities]
        super().__init__(
            f"{model} has no {operation}(); "
            + (f"models that have it: {', '.join(able)}" if able else "no model of this version has it")
        )
