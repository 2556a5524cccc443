"""An autoencoder whose codes a critic makes look like draws from the normal distribution."""

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latentknn.models.backend import keras
from latentknn.models.base.autoencoder import Autoencoder
from latentknn.models.generative.adversarial import AdversarialModel, classification_loss, deception_loss
from latentknn.models.generative.prior import sample_prior
from latentknn.models.images import check_input_shape
from latentknn.models.layers.dense_networks import dense_decoder, dense_encoder
from latentknn.models.layers.precision import layers_computing_in
from latentknn.models.layers.scaling import scale_pixels
from latentknn.models.layers.seeding import seeded_layers


@keras.saving.register_keras_serializable(package="latentknn")
class AdversarialAutoencoder(AdversarialModel, Autoencoder):
    """784-256-128-20 and back, with a critic that judges whether a code comes from the prior.

    The prior is the standard normal distribution; ``generate`` decodes codes drawn from it. ReLU on hidden
    layers, linear code, binary cross-entropy on sigmoid pixels. The logged ``loss`` is that of the
    autoencoder: of the reconstruction, and of deceiving the critic.

    Parameters
    ----------
    input_shape : iterable of int
        Height, width and channels of the images.
    latent_dim : int
        Length of a code.
    hidden_units : iterable of int
        Width of every hidden layer, from the image to the code; the decoder mirrors them.
    activation : str
        Keras activation of the hidden layers.
    critic_units : iterable of int
        Width of every hidden layer of the critic.
    deception_weight : float
        Factor of the loss of deceiving the critic.
    learning_rate : float
        Learning rate of Adam, on both sides.
    seed : int
        Seed of everything random.
    **kwargs
        ``name``, ``trainable`` and ``dtype`` of ``keras.Model``.

    References
    ----------
    A. Makhzani et al., "Adversarial Autoencoders", 2016.

    Examples
    --------
    >>> import numpy as np
    >>> from latentknn.models import AdversarialAutoencoder
    >>> model = AdversarialAutoencoder(
    ...     input_shape=(8, 8, 1), latent_dim=6, hidden_units=(24, 16), critic_units=(8,)
    ... )
    >>> model.encode(np.zeros((2, 8, 8), np.uint8)).shape
    (2, 6)
    """

    registry_name = "adversarial_ae"
    default_batch_size = 128
    loss_part_names = ("reconstruction", "deception", "critic_loss")

    def __init__(
        self,
        *,
        input_shape: Iterable[int] = (28, 28, 1),
        latent_dim: int = 20,
        hidden_units: Iterable[int] = (256, 128),
        activation: str = "relu",
        critic_units: Iterable[int] = (128, 64),
        deception_weight: float = 0.02,
        learning_rate: float = 1e-3,
        seed: int = 0,
        **kwargs: Any,
    ) -> None:
        # Layers
        input_shape = check_input_shape(input_shape)
        hidden_units, critic_units = tuple(hidden_units), tuple(critic_units)
        with seeded_layers(seed), layers_computing_in(kwargs.get("dtype")):
            encoder = dense_encoder(input_shape, hidden_units, latent_dim, activation)
            decoder = dense_decoder(latent_dim, hidden_units[::-1], input_shape, activation, "sigmoid")
            critic = keras.Sequential([keras.Input((latent_dim,))], name="critic")
            for units in critic_units:
                critic.add(keras.layers.Dense(units))
                critic.add(keras.layers.LeakyReLU(0.2))
            critic.add(keras.layers.Dense(1, dtype="float32"))

        # Model
        super().__init__(
            encoder=encoder,
            decoder=decoder,
            input_shape=input_shape,
            latent_dim=latent_dim,
            learning_rate=learning_rate,
            seed=seed,
            **kwargs,
        )
        self.critic = critic
        self._noise = keras.random.SeedGenerator(seed)

        # Config
        self.hidden_units = hidden_units
        self.activation = activation
        self.critic_units = critic_units
        self.deception_weight = deception_weight
        self.finish(keras.losses.BinaryCrossentropy())

    @property
    def critic_variables(self) -> list[Any]:
        """The variables of the critic."""
        return list(self.critic.trainable_variables)

    @property
    def judged_variables(self) -> list[Any]:
        """The variables of encoder and decoder."""
        return [*self.encoder.trainable_variables, *self.decoder.trainable_variables]

    def train_step(self, data: Any) -> dict[str, Any]:
        """Train encoder and decoder, then the critic."""
        images = self.images_of(data)
        found: dict[str, Any] = {}

        def rebuild_and_deceive() -> Any:
            found["y_pred"] = self(images, training=True)
            found["parts"] = self.loss_parts(images, None, found["y_pred"])
            return found["parts"]["reconstruction"] + found["parts"]["deception"]

        loss = self.minimise(self.optimizer, self.judged_variables, rebuild_and_deceive)
        codes = self.encoder(scale_pixels(images), training=True)
        critic_loss = self.minimise(
            self.critic_optimizer, self.critic_variables, lambda: self._critic_loss(codes)
        )
        return self._log(images, found["y_pred"], loss=loss, critic_loss=critic_loss, **found["parts"])

    def test_step(self, data: Any) -> dict[str, Any]:
        """Compute the losses."""
        images = self.images_of(data)
        y_pred = self(images, training=False)
        parts = self.loss_parts(images, None, y_pred)
        loss = parts["reconstruction"] + parts["deception"]
        return self._log(images, y_pred, loss=loss, critic_loss=self._critic_loss(y_pred["codes"]), **parts)

    def loss_parts(self, x: Any, y: Any, y_pred: Any, sample_weight: Any = None) -> dict[str, Any]:
        """Return the loss of the reconstruction and the weighted one of deceiving the critic."""
        deception = deception_loss(self.critic(y_pred["codes"]))
        return {
            **super().loss_parts(x, y, y_pred, sample_weight),
            "deception": self.deception_weight * deception,
        }

    def generate(self, n: int, seed: int = 0) -> NDArray[np.float32]:
        """Decode codes drawn from the standard normal distribution.

        Parameters
        ----------
        n : int
            Number of images.
        seed : int
            Seed of the codes.

        Returns
        -------
        ndarray of float32, shape (n, H, W, C)
            Images from 0 to 1.
        """
        return self.decode(sample_prior(n, self.latent_dim, seed))

    def _critic_loss(self, codes: Any) -> Any:
        drawn = keras.random.normal(keras.ops.shape(codes), seed=self._noise)
        return classification_loss(self.critic(drawn), self.critic(codes))

    def _log(self, images: Any, y_pred: Any, **values: Any) -> dict[str, Any]:
        self.compute_metrics(images, None, y_pred)
        return self.note(images, **values)
