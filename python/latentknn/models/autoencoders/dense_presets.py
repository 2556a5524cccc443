"""A table of the published dense autoencoders that share one architecture. It needs no Keras to be read."""

from dataclasses import dataclass
from types import MappingProxyType
from typing import Any


@dataclass(frozen=True, kw_only=True)
class DensePreset:
    """What one published model makes of ``DenseAutoencoder``.

    Parameters
    ----------
    latent_dim, hidden_units, activation, learning_rate
        Defaults of the model's options.
    noise, dropout : float or None
        Defaults too; None: the model has no such option.
    activates_code : bool
        Whether the code has the activation of the hidden layers; otherwise it is linear.
    pixels : {"sigmoid", "logits", "linear"}
        Kind of the decoder's outputs, a name of ``pixels.PIXELS``.
    optimizer : {"SGD", "Adam"}
        The optimizer of Keras that trains the model.
    batch_size : int
        Images of a batch, where ``fit`` is given no number.
    """

    latent_dim: int
    hidden_units: tuple[int, ...]
    activation: str
    learning_rate: float
    noise: float | None = None
    dropout: float | None = None
    activates_code: bool
    pixels: str
    optimizer: str
    batch_size: int

    @property
    def options(self) -> dict[str, Any]:
        """The options of the model's constructor, with their defaults."""
        options = {
            "input_shape": (28, 28, 1),
            "latent_dim": self.latent_dim,
            "hidden_units": self.hidden_units,
            "activation": self.activation,
            "noise": self.noise,
            "dropout": self.dropout,
            "learning_rate": self.learning_rate,
            "seed": 0,
        }
        return {name: default for name, default in options.items() if default is not None}


PRESETS = MappingProxyType(
    {
        "stacked_ae": DensePreset(
            latent_dim=30,
            hidden_units=(100,),
            activation="selu",
            learning_rate=1.5,
            activates_code=True,
            pixels="sigmoid",
            optimizer="SGD",
            batch_size=32,
        ),
        "denoising_ae": DensePreset(
            latent_dim=30,
            hidden_units=(100,),
            activation="selu",
            learning_rate=1.0,
            noise=0.2,
            activates_code=True,
            pixels="sigmoid",
            optimizer="SGD",
            batch_size=32,
        ),
        "deep_ae": DensePreset(
            latent_dim=100,
            hidden_units=(1000, 500, 250),
            activation="relu",
            learning_rate=1e-3,
            activates_code=False,
            pixels="linear",
            optimizer="Adam",
            batch_size=128,
        ),
        "simple_ae": DensePreset(
            latent_dim=20,
            hidden_units=(256, 128),
            activation="relu",
            learning_rate=1e-3,
            activates_code=False,
            pixels="logits",
            optimizer="Adam",
            batch_size=512,
        ),
        "dropout_ae": DensePreset(
            latent_dim=20,
            hidden_units=(256, 128),
            activation="relu",
            learning_rate=1e-3,
            dropout=0.2,
            activates_code=False,
            pixels="logits",
            optimizer="Adam",
            batch_size=512,
        ),
    }
)
"""The presets by the names of their models."""
