"""All autoencoders share an encoder, a decoder and the loss of a reconstruction."""

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from latentknn.models.backend import keras, tf
from latentknn.models.base.image_encoder import ImageEncoder
from latentknn.models.base.in_batches import compute_in_batches
from latentknn.models.layers.scaling import scale_pixels


class Autoencoder(ImageEncoder):
    """A model that learns codes from which a decoder rebuilds the image.

    The loss and metrics given to ``finish`` compare the decoder's outputs with the scaled images.

    Parameters
    ----------
    encoder : keras.Model
        From scaled images (N, H, W, C) to codes (N, latent_dim).
    decoder : keras.Model
        From codes to outputs (N, H, W, C), which ``to_images`` turns into images.
    input_shape, latent_dim, learning_rate, seed, **kwargs
        See ``ImageEncoder``.

    Examples
    --------
    >>> import numpy as np
    >>> from latentknn.models import Autoencoder, create
    >>> model = create("simple_ae", input_shape=(8, 8, 1), latent_dim=4, hidden_units=(8,))
    >>> isinstance(model, Autoencoder), model.reconstruct(np.zeros((2, 8, 8), np.uint8)).shape
    (True, (2, 8, 8, 1))
    """

    def __init__(
        self,
        *,
        encoder: Any,
        decoder: Any,
        input_shape: Iterable[int],
        latent_dim: int,
        learning_rate: float,
        seed: int,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            input_shape=input_shape, latent_dim=latent_dim, learning_rate=learning_rate, seed=seed, **kwargs
        )
        self.encoder = encoder
        self.decoder = decoder
        self._decode_batch = tf.function(
            self.decode_tensor, input_signature=[tf.TensorSpec((None, self.latent_dim), tf.float32)]
        )

    def call(self, images: Any, training: bool | None = None) -> dict[str, Any]:
        """Return ``codes`` and the decoder's ``outputs`` for images that are scaled or not."""
        codes = self.encoder(scale_pixels(images), training=training)
        return {"codes": codes, "outputs": self.decoder(codes, training=training)}

    def encode_scaled(self, images: Any) -> Any:
        """Return the encoder's outputs, without dropout."""
        return self.encoder(images, training=False)

    def decode_tensor(self, codes: Any) -> Any:
        """Turn a tensor of codes (N, latent_dim) into a tensor of images (N, H, W, C)."""
        return self.to_images(self.decoder(codes, training=False))

    def to_images(self, outputs: Any) -> Any:
        """Turn the decoder's outputs into images from 0 to 1; here they are images already."""
        return outputs

    def decode(self, codes: ArrayLike, batch_size: int = 256) -> NDArray[np.float32]:
        """Turn codes into images.

        Parameters
        ----------
        codes : array_like, shape (N, latent_dim)
            Codes, computed on as float32.
        batch_size : int
            Codes that are computed at once.

        Returns
        -------
        ndarray of float32, shape (N, H, W, C)
            Images from 0 to 1.

        Raises
        ------
        ValueError
            If the shape is wrong.
        """
        array = np.asarray(codes, dtype=np.float32)
        if array.ndim != 2 or array.shape[1] != self.latent_dim:
            raise ValueError(
                f"received codes of shape {array.shape}, but the model takes (N, {self.latent_dim})"
            )
        return compute_in_batches(self._decode_batch, array, batch_size)

    def reconstruct(self, x: ArrayLike, batch_size: int = 256) -> NDArray[np.float32]:
        """Encode images and decode their codes.

        Parameters
        ----------
        x : array_like, shape (N, H, W, C), or (N, H, W) where C is 1
            Images, as ``encode`` takes them.
        batch_size : int
            Images that are computed at once.

        Returns
        -------
        ndarray of float32, shape (N, H, W, C)
            Images from 0 to 1.
        """
        return self.decode(self.encode(x, batch_size), batch_size)

    def loss_parts(self, x: Any, y: Any, y_pred: Any, sample_weight: Any = None) -> dict[str, Any]:
        """Compare the outputs with the images themselves, scaled, by the loss given to ``compile``."""
        if sample_weight is not None:
            # Keras's losses of images have a value for every pixel.
            sample_weight = keras.ops.reshape(sample_weight, (-1, 1, 1))
        loss = keras.Model.compute_loss(self, x, scale_pixels(x), y_pred["outputs"], sample_weight)
        return {"reconstruction": loss}

    def compute_metrics(self, x: Any, y: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        """Give the metrics of ``compile`` the scaled images to compare with."""
        return super().compute_metrics(x, scale_pixels(x), y_pred["outputs"], sample_weight)
