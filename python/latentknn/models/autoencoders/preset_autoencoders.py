"""The dense autoencoders of the table: one constructor, and a class for each row.

The classes have no code of their own. A row alone would not do, because Keras finds the model of a file by
the name of its class, and because a class has a docstring and a signature that can be looked up.
"""

import inspect
from collections.abc import Callable
from typing import Any, ClassVar

from latentknn.models.autoencoders.dense_autoencoder import DenseAutoencoder
from latentknn.models.autoencoders.dense_presets import PRESETS, DensePreset
from latentknn.models.autoencoders.pixels import PIXELS
from latentknn.models.backend import keras


class PresetAutoencoder(DenseAutoencoder):
    """A dense autoencoder whose options, loss and optimizer are those of a preset.

    Parameters
    ----------
    **options
        The options of the preset, and what ``keras.Model`` takes; an option that is left out has the preset's
        default.
    """

    preset: ClassVar[DensePreset]

    def __init__(self, **options: Any) -> None:
        preset = self.preset
        pixels = PIXELS[preset.pixels]
        options = {**preset.options, **options}
        super().__init__(
            code_activation=options["activation"] if preset.activates_code else None,
            output_activation=pixels.activation,
            loss=pixels.make_loss(),
            **options,
        )

    def make_optimizer(self) -> Any:
        """Return the optimizer of the preset."""
        return getattr(keras.optimizers, self.preset.optimizer)(self.learning_rate)

    def to_images(self, outputs: Any) -> Any:
        """Turn the decoder's outputs into pixels."""
        return PIXELS[self.preset.pixels].to_images(outputs)


def constructor(preset: DensePreset) -> Callable[..., None]:
    """Return an ``__init__`` that takes the options of a preset and shows them, with their defaults."""

    def initialise(self: PresetAutoencoder, **options: Any) -> None:
        PresetAutoencoder.__init__(self, **options)

    signature = inspect.signature(DenseAutoencoder.__init__)
    initialise.__signature__ = signature.replace(  # type: ignore[attr-defined]
        parameters=[
            parameter.replace(default=preset.options.get(parameter.name, parameter.default))
            for parameter in signature.parameters.values()
            if parameter.kind is not parameter.KEYWORD_ONLY or parameter.name in preset.options
        ]
    )
    return initialise


@keras.saving.register_keras_serializable(package="latentknn")
class StackedAutoencoder(PresetAutoencoder):
    """784-100-30 and back, with SELU on hidden layers and code, sigmoid pixels and binary cross-entropy.

    Parameters
    ----------
    input_shape : iterable of int
        Height, width and channels of the images.
    latent_dim : int
        Length of a code.
    hidden_units : iterable of int
        Width of every hidden layer, from the image to the code; the decoder mirrors them.
    activation : str
        Keras activation of the hidden layers and the code.
    learning_rate : float
        Learning rate of stochastic gradient descent. It is large because the loss is a mean over all pixels.
    seed : int
        Seed of everything random.
    **kwargs
        ``name``, ``trainable`` and ``dtype`` of ``keras.Model``.

    References
    ----------
    A. Géron, "Hands-On Machine Learning with Scikit-Learn, Keras, and TensorFlow", chapter 17.
    G. Klambauer et al., "Self-Normalizing Neural Networks", 2017 (SELU).

    Examples
    --------
    >>> import numpy as np
    >>> from latentknn.models import StackedAutoencoder
    >>> model = StackedAutoencoder(
    ...     input_shape=(8, 8, 1), latent_dim=6, hidden_units=(16,)
    ... )
    >>> model.encode(np.zeros((2, 8, 8), np.uint8)).shape
    (2, 6)
    """

    registry_name = "stacked_ae"
    preset = PRESETS[registry_name]
    default_batch_size = preset.batch_size
    __init__ = constructor(preset)


@keras.saving.register_keras_serializable(package="latentknn")
class DeepAutoencoder(PresetAutoencoder):
    """784-1000-500-250-100 and back, with ReLU, a linear code, linear pixels and squared error.

    ``decode`` and ``reconstruct`` clip the pixels to the range from 0 to 1.

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
    learning_rate : float
        Learning rate of Adam.
    seed : int
        Seed of everything random.
    **kwargs
        ``name``, ``trainable`` and ``dtype`` of ``keras.Model``.

    References
    ----------
    G. E. Hinton, R. R. Salakhutdinov, "Reducing the Dimensionality of Data with Neural Networks", 2006.

    Examples
    --------
    >>> import numpy as np
    >>> from latentknn.models import DeepAutoencoder
    >>> model = DeepAutoencoder(
    ...     input_shape=(8, 8, 1), latent_dim=6, hidden_units=(24, 16)
    ... )
    >>> model.encode(np.zeros((2, 8, 8), np.uint8)).shape
    (2, 6)
    """

    registry_name = "deep_ae"
    preset = PRESETS[registry_name]
    default_batch_size = preset.batch_size
    __init__ = constructor(preset)


@keras.saving.register_keras_serializable(package="latentknn")
class SimpleAutoencoder(PresetAutoencoder):
    """784-256-128-20 and back, with ReLU, a linear code, and binary cross-entropy on logits.

    The decoder's outputs, as the loss sees them, are logits; ``decode`` and ``reconstruct`` give images.

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
    learning_rate : float
        Learning rate of Adam.
    seed : int
        Seed of everything random.
    **kwargs
        ``name``, ``trainable`` and ``dtype`` of ``keras.Model``.

    References
    ----------
    G. E. Hinton, R. R. Salakhutdinov, "Reducing the Dimensionality of Data with Neural Networks", 2006.

    Examples
    --------
    >>> import numpy as np
    >>> from latentknn.models import SimpleAutoencoder
    >>> model = SimpleAutoencoder(
    ...     input_shape=(8, 8, 1), latent_dim=6, hidden_units=(24, 16)
    ... )
    >>> model.encode(np.zeros((2, 8, 8), np.uint8)).shape
    (2, 6)
    """

    registry_name = "simple_ae"
    preset = PRESETS[registry_name]
    default_batch_size = preset.batch_size
    __init__ = constructor(preset)


@keras.saving.register_keras_serializable(package="latentknn")
class DenoisingAutoencoder(PresetAutoencoder):
    """784-100-30 and back, which sees images with Gaussian noise while training and rebuilds the clean ones.

    SELU on hidden layers and code, sigmoid pixels, binary cross-entropy. ``encode`` and ``reconstruct`` add
    no noise.

    Parameters
    ----------
    input_shape : iterable of int
        Height, width and channels of the images.
    latent_dim : int
        Length of a code.
    hidden_units : iterable of int
        Width of every hidden layer, from the image to the code; the decoder mirrors them.
    activation : str
        Keras activation of the hidden layers and the code.
    noise : float
        Standard deviation of the noise, for pixels from 0 to 1.
    learning_rate : float
        Learning rate of stochastic gradient descent.
    seed : int
        Seed of everything random.
    **kwargs
        ``name``, ``trainable`` and ``dtype`` of ``keras.Model``.

    References
    ----------
    P. Vincent et al., "Extracting and Composing Robust Features with Denoising Autoencoders", 2008.

    Examples
    --------
    >>> import numpy as np
    >>> from latentknn.models import DenoisingAutoencoder
    >>> model = DenoisingAutoencoder(
    ...     input_shape=(8, 8, 1), latent_dim=6, hidden_units=(16,)
    ... )
    >>> model.encode(np.zeros((2, 8, 8), np.uint8)).shape
    (2, 6)
    """

    registry_name = "denoising_ae"
    preset = PRESETS[registry_name]
    default_batch_size = preset.batch_size
    __init__ = constructor(preset)


@keras.saving.register_keras_serializable(package="latentknn")
class DropoutAutoencoder(PresetAutoencoder):
    """784-256-128-20 and back, with ReLU, dropout after every hidden layer, and cross-entropy on logits.

    The code itself is not dropped.

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
    dropout : float
        Share of the values that dropout sets to zero, from 0 (no dropout) to below 1.
    learning_rate : float
        Learning rate of Adam.
    seed : int
        Seed of everything random.
    **kwargs
        ``name``, ``trainable`` and ``dtype`` of ``keras.Model``.

    References
    ----------
    N. Srivastava et al., "Dropout: A Simple Way to Prevent Neural Networks from Overfitting", 2014.

    Examples
    --------
    >>> import numpy as np
    >>> from latentknn.models import DropoutAutoencoder
    >>> model = DropoutAutoencoder(
    ...     input_shape=(8, 8, 1), latent_dim=6, hidden_units=(24, 16)
    ... )
    >>> model.encode(np.zeros((2, 8, 8), np.uint8)).shape
    (2, 6)
    """

    registry_name = "dropout_ae"
    preset = PRESETS[registry_name]
    default_batch_size = preset.batch_size
    __init__ = constructor(preset)
