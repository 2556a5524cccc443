"""Losses of pairs of views: what two views of an image say is to agree, and to differ from other images'."""

from typing import Any

from latentknn.models.backend import keras, tf


def contrastive_loss(projections: Any, temperature: float) -> Any:
    """Return the normalised, temperature-scaled cross-entropy (NT-Xent) of a batch of pairs.

    Each view has to find the other one of its image among all other views, by cosine similarity.

    Parameters
    ----------
    projections : tensor of float32, shape (2N, d)
        One view of each image, then another of each.
    temperature : float
        By which similarities are divided.

    Returns
    -------
    tensor, scalar
        The mean over all views; 0 where there is one image.

    References
    ----------
    T. Chen et al., "A Simple Framework for Contrastive Learning of Visual Representations", 2020.
    """
    units = keras.ops.normalize(projections, axis=-1)
    views = tf.shape(units)[0]
    similarities = tf.matmul(units, units, transpose_b=True) / temperature
    # A view is not compared with itself.
    similarities = tf.linalg.set_diag(similarities, tf.fill((views,), similarities.dtype.min))
    partners = (tf.range(views) + views // 2) % views
    losses = keras.losses.sparse_categorical_crossentropy(partners, similarities, from_logits=True)
    return keras.ops.mean(losses)
