"""The models by name, listed without importing TensorFlow."""

from dataclasses import dataclass
from importlib import import_module
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from latentknn.models.base.image_encoder import ImageEncoder

OPERATIONS = ("encode", "encode_per_class", "decode", "reconstruct", "generate")
"""Every operation that a model may have; the ``capabilities`` of a model are some of these.

>>> from latentknn.models import OPERATIONS
>>> OPERATIONS
('encode', 'encode_per_class', 'decode', 'reconstruct', 'generate')
"""

_ENCODER = frozenset({"encode"})
_AUTOENCODER = frozenset({"encode", "decode", "reconstruct"})
_GENERATIVE_ENCODER = _ENCODER | {"generate"}
_GENERATIVE_AUTOENCODER = _AUTOENCODER | {"generate"}


@dataclass(frozen=True)
class ModelEntry:
    """What is known about a model before its file is imported.

    Parameters
    ----------
    name : str
        The name that ``create`` takes.
    module : str
        The model's module, below ``latentknn.models``.
    class_name : str
        The class in that module.
    description : str
        One line for lists.
    capabilities : frozenset of str
        The ``OPERATIONS`` that the model has.
    uses_labels : bool
        Whether the model learns from labels.

    Examples
    --------
    >>> from latentknn.models import MODELS
    >>> MODELS["conv_ae"].class_name, sorted(MODELS["conv_ae"].capabilities)
    ('ConvAutoencoder', ['decode', 'encode', 'reconstruct'])
    """

    name: str
    module: str
    class_name: str
    description: str
    capabilities: frozenset[str]
    uses_labels: bool = False

    def load_class(self) -> "type[ImageEncoder]":
        """Import the model's module, and TensorFlow with it, and return the class."""
        module = import_module(f"latentknn.models.{self.module}")
        loaded: type[ImageEncoder] = getattr(module, self.class_name)
        return loaded


MODELS = MappingProxyType(
    {
        entry.name: entry
        for entry in (
            ModelEntry(
                name="stacked_ae",
                module="autoencoders.preset_autoencoders",
                class_name="StackedAutoencoder",
                description="dense autoencoder 784-100-30, SELU, trained by plain SGD",
                capabilities=_AUTOENCODER,
            ),
            ModelEntry(
                name="deep_ae",
                module="autoencoders.preset_autoencoders",
                class_name="DeepAutoencoder",
                description="dense autoencoder 784-1000-500-250-100, ReLU, squared error",
                capabilities=_AUTOENCODER,
            ),
            ModelEntry(
                name="simple_ae",
                module="autoencoders.preset_autoencoders",
                class_name="SimpleAutoencoder",
                description="dense autoencoder 784-256-128-20, ReLU, cross-entropy on logits",
                capabilities=_AUTOENCODER,
            ),
            ModelEntry(
                name="conv_ae",
                module="autoencoders.conv_ae",
                class_name="ConvAutoencoder",
                description="convolutional autoencoder, four 3x3 layers to a dense code of 128",
                capabilities=_AUTOENCODER,
            ),
            ModelEntry(
                name="pool_ae",
                module="autoencoders.pool_ae",
                class_name="PoolAutoencoder",
                description="convolutional autoencoder with max-pooling to a grid of 3x3x64",
                capabilities=_AUTOENCODER,
            ),
            ModelEntry(
                name="denoising_ae",
                module="autoencoders.preset_autoencoders",
                class_name="DenoisingAutoencoder",
                description="dense autoencoder 784-100-30 that rebuilds clean images from noisy ones",
                capabilities=_AUTOENCODER,
            ),
            ModelEntry(
                name="sparse_ae",
                module="autoencoders.sparse_ae",
                class_name="SparseAutoencoder",
                description="dense autoencoder 784-100-300 with an L1 or KL penalty on the code",
                capabilities=_AUTOENCODER,
            ),
            ModelEntry(
                name="dropout_ae",
                module="autoencoders.preset_autoencoders",
                class_name="DropoutAutoencoder",
                description="dense autoencoder 784-256-128-20 with dropout between the layers",
                capabilities=_AUTOENCODER,
            ),
            ModelEntry(
                name="vae",
                module="generative.vae",
                class_name="VariationalAutoencoder",
                description="variational autoencoder 784-150-100-10, dense or convolutional",
                capabilities=_GENERATIVE_AUTOENCODER,
            ),
            ModelEntry(
                name="vqvae",
                module="generative.vqvae",
                class_name="VectorQuantizedAutoencoder",
                description="convolutional autoencoder to a 7x7 grid of 128 codebook entries of 32",
                capabilities=_GENERATIVE_AUTOENCODER,
            ),
            ModelEntry(
                name="adversarial_ae",
                module="generative.adversarial_ae",
                class_name="AdversarialAutoencoder",
                description="dense autoencoder 784-256-128-20 with a critic of its codes",
                capabilities=_GENERATIVE_AUTOENCODER,
            ),
            ModelEntry(
                name="gan",
                module="generative.gan",
                class_name="GenerativeAdversarialNetwork",
                description="DCGAN; codes are the features before the critic's score",
                capabilities=_GENERATIVE_ENCODER,
            ),
            ModelEntry(
                name="wgan_gp",
                module="generative.wgan_gp",
                class_name="WassersteinGAN",
                description="Wasserstein GAN with gradient penalty; codes as of gan",
                capabilities=_GENERATIVE_ENCODER,
            ),
            ModelEntry(
                name="self_supervised",
                module="self_supervised.self_supervised",
                class_name="SelfSupervisedEncoder",
                description="encoder of conv_ae that learns from images alone which views show the same",
                capabilities=_ENCODER,
            ),
            ModelEntry(
                name="triplet",
                module="supervised.triplet",
                class_name="TripletEncoder",
                description="convolutional encoder trained by mined triplets and a classifying head",
                capabilities=_ENCODER,
                uses_labels=True,
            ),
            ModelEntry(
                name="finetuned",
                module="supervised.finetuned",
                class_name="FinetunedEncoder",
                description="encoder that has learnt without labels, trained on with few",
                capabilities=_ENCODER,
                uses_labels=True,
            ),
            ModelEntry(
                name="conditional_ae",
                module="supervised.conditional_ae",
                class_name="ConditionalAutoencoder",
                description="conv_ae whose code is multiplied by a vector of the class",
                capabilities=_AUTOENCODER | {"encode_per_class"},
                uses_labels=True,
            ),
            ModelEntry(
                name="metric",
                module="supervised.metric",
                class_name="MetricEncoder",
                description="residual network with a cosine head, for the best codes within an hour",
                capabilities=_ENCODER,
                uses_labels=True,
            ),
        )
    }
)
"""Every model by its name, with what is known of it before its file is imported.

>>> from latentknn.models import MODELS
>>> MODELS["vae"].description
'variational autoencoder 784-150-100-10, dense or convolutional'
"""
