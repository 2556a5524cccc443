"""Losses that bring codes of one class together and part those of different classes, by cosine similarity.

Each takes the codes of a batch, (N, d), and their labels, (N,), and returns a scalar. Codes that are alone in
their class, or whose class fills the batch, are left out where there is nothing to compare them with.
"""

from typing import Any

from latentknn.models.backend import keras, tf

# batch_all_loss computes so many triplets at once; each array of them has 16 MiB.
_TRIPLETS_AT_ONCE = 2**22


def batch_hard_loss(codes: Any, labels: Any, margin: float | None) -> Any:
    """Compare every code's farthest code of its class with the nearest of another.

    Parameters
    ----------
    codes, labels : tensor
        See above.
    margin : float or None
        Margin by which the cosine distance to the negative should exceed that to the positive; None: the soft
        margin, log(1 + exp(difference)).

    References
    ----------
    A. Hermans, L. Beyer, B. Leibe, "In Defense of the Triplet Loss for Person Re-Identification", 2017.
    """
    distances = 1 - cosine_similarities(codes)
    positive, negative = pair_masks(labels)
    farthest = keras.ops.max(keras.ops.where(positive, distances, -1.0), axis=1)
    nearest = keras.ops.min(keras.ops.where(negative, distances, 3.0), axis=1)
    complete = keras.ops.any(positive, axis=1) & keras.ops.any(negative, axis=1)
    return _masked_mean(_violation(farthest - nearest, margin), complete)


def batch_all_loss(codes: Any, labels: Any, margin: float | None) -> Any:
    """Compare every code's distance to each code of its class with that to each code of another.

    With a margin the mean is taken over the triplets that violate it, since the others, ever more of them,
    would drown them.

    Parameters
    ----------
    codes, labels, margin
        As ``batch_hard_loss`` takes them. Time grows with the cube of the batch, memory with its square.

    References
    ----------
    A. Hermans, L. Beyer, B. Leibe, "In Defense of the Triplet Loss for Person Re-Identification", 2017.
    """
    positive, negative = pair_masks(labels)
    anchors = tf.shape(labels)[0]
    # All blocks have one size, which XLA asks for; the rows that fill up the last have no triplets.
    block = tf.clip_by_value(_TRIPLETS_AT_ONCE // anchors**2, 1, anchors)
    blocks = -(-anchors // block)

    def in_blocks(pairs: Any) -> Any:
        filled = tf.pad(pairs, ((0, blocks * block - anchors), (0, 0)))
        return tf.reshape(filled, (blocks, block, anchors))

    def of_block(block_of: tuple[Any, Any, Any]) -> tuple[Any, Any, Any]:
        """Return the sum of a block's violations, their number, and the sum's slope by every distance."""
        distances, positive, negative = block_of
        differences = distances[:, :, None] - distances[:, None, :]
        violations = _violation(differences, margin)
        counted = positive[:, :, None] & negative[:, None, :]
        if margin is not None:
            counted = counted & (violations > 0)
        counted = keras.ops.cast(counted, violations.dtype)
        slopes = counted if margin is not None else counted * keras.ops.sigmoid(differences)
        by_distance = keras.ops.sum(slopes, axis=2) - keras.ops.sum(slopes, axis=1)
        return keras.ops.sum(violations * counted), keras.ops.sum(counted), by_distance

    # The slopes are computed along with the loss: automatic differentiation would store every triplet.
    @tf.custom_gradient  # type: ignore[untyped-decorator]
    def mean_violation(distances: Any) -> Any:
        sums, counts, slopes = tf.map_fn(
            of_block,
            tuple(map(in_blocks, (distances, positive, negative))),
            fn_output_signature=(tf.float32, tf.float32, tf.float32),
            parallel_iterations=1,
        )
        count = keras.ops.maximum(keras.ops.sum(counts), 1.0)
        slopes = tf.reshape(slopes, (blocks * block, anchors))[:anchors] / count
        return keras.ops.sum(sums) / count, lambda upstream: upstream * slopes

    return mean_violation(1 - cosine_similarities(codes))


def supervised_contrastive_loss(codes: Any, labels: Any, temperature: float) -> Any:
    """Make codes of the same class the likeliest choice among all other codes of the batch.

    Parameters
    ----------
    codes, labels : tensor
        See above.
    temperature : float
        Divisor of the similarities before the softmax.

    References
    ----------
    P. Khosla et al., "Supervised Contrastive Learning", 2020, equation 2.
    """
    similarities = cosine_similarities(codes) / temperature
    positive, negative = pair_masks(labels)
    others = positive | negative
    similarities = keras.ops.where(others, similarities, -1e9)
    log_shares = similarities - keras.ops.logsumexp(similarities, axis=1, keepdims=True)
    positives = keras.ops.cast(positive, log_shares.dtype)
    count = keras.ops.sum(positives, axis=1)
    mean_log_share = keras.ops.sum(positives * log_shares, axis=1) / keras.ops.maximum(count, 1.0)
    return _masked_mean(-mean_log_share, count > 0)


def cosine_similarities(codes: Any) -> Any:
    """Return the cosine similarity of every pair of codes, (N, N); zero codes have similarity 0."""
    units = keras.ops.normalize(codes, axis=-1, epsilon=1e-12)
    return keras.ops.matmul(units, keras.ops.transpose(units))


def pair_masks(labels: Any) -> tuple[Any, Any]:
    """Return which pairs are of one class, a code with itself left out, and which are of two."""
    same = keras.ops.expand_dims(labels, 0) == keras.ops.expand_dims(labels, 1)
    count = keras.ops.shape(labels)[0]
    itself = keras.ops.cast(keras.ops.eye(count), "bool")
    return same & ~itself, ~same


def _violation(difference: Any, margin: float | None) -> Any:
    if margin is None:
        return keras.ops.softplus(difference)
    return keras.ops.relu(difference + margin)


def _masked_mean(values: Any, mask: Any) -> Any:
    chosen = keras.ops.cast(mask, values.dtype)
    return keras.ops.sum(values * chosen) / keras.ops.maximum(keras.ops.sum(chosen), 1.0)
