"""A classifier whose logits are cosine similarities."""

from typing import Any

from latentknn.models.backend import keras


@keras.saving.register_keras_serializable(package="latentknn")
class CosineHead(keras.layers.Layer):  # type: ignore[misc]
    """Logits that are the cosine similarity of a code to one vector of each class, times a constant.

    Lengths of codes play no part, so training asks of the codes what a cosine search will.

    Parameters
    ----------
    num_classes : int
        Number of classes.
    scale : float
        Factor of the similarities; without it the softmax could never be sure.
    **kwargs
        ``name``, ``trainable`` and ``dtype`` of ``keras.layers.Layer``.

    References
    ----------
    F. Wang et al., "NormFace: L2 Hypersphere Embedding for Face Verification", 2017.
    """

    def __init__(self, num_classes: int, scale: float, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.num_classes = int(num_classes)
        self.scale = float(scale)

    def build(self, input_shape: Any) -> None:
        """Create the classes' vectors."""
        self.kernel = self.add_weight(
            name="kernel", shape=(input_shape[-1], self.num_classes), initializer="glorot_uniform"
        )
        super().build(input_shape)

    def call(self, codes: Any) -> Any:
        """Return logits (N, num_classes) of codes (N, d)."""
        units = keras.ops.normalize(codes, axis=-1)
        return self.scale * keras.ops.matmul(units, keras.ops.normalize(self.kernel, axis=0))

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {**super().get_config(), "num_classes": self.num_classes, "scale": self.scale}
