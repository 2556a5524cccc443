"""A layer replaces vectors by the nearest entries of a learned codebook."""

from typing import Any

from latentknn.models.backend import keras, tf
from latentknn.models.layers.running_averages import check_averaging

_SMOOTHING = 1e-5
# Momentum of the running mean of uses, and what makes an entry of a thousandth of an equal share move by a
# third of the way; both as published.
_USE_MOMENTUM = 0.99
_SHARPNESS = 10.0
# An entry counts as used if it is chosen by so many vectors of a batch, or by this share of an equal share of
# the vectors if that is less.
_USED = 1.0
_LEAST_SHARE = 0.1


@keras.saving.register_keras_serializable(package="latentknn")
class VectorQuantizer(keras.layers.Layer):  # type: ignore[misc]
    """Replace every vector by the nearest, by Euclidean distance, of a codebook.

    The gradient passes straight through to the vectors. The codebook learns in one of two ways: by a loss
    that the model adds, or, if ``averaging`` is above 0, as the running mean of the vectors that chose each
    entry. An entry that nothing chooses would shrink to nothing there: one that fewer than one vector of a
    batch chooses, by the running mean, or a tenth of an equal share where that is less, begins anew as a
    vector of the batch.

    Where the codebook learns by the loss, entries can be clustered online: with each batch an entry moves
    towards a random vector of it, nearly all the way if hardly any vector has chosen the entry of late, and
    hardly at all if a hundredth of an equal share has.

    Parameters
    ----------
    codebook_size : int
        Number of entries.
    averaging : float
        Momentum of the running means, from 0 (none: the codebook learns by a loss) to below 1.
    clustered : bool
        Whether entries are clustered online; not with running means.
    **kwargs
        ``name``, ``trainable`` and ``dtype`` of ``keras.layers.Layer``.

    References
    ----------
    A. van den Oord et al., "Neural Discrete Representation Learning", 2017; running means: its appendix A.1.
    P. Dhariwal et al., "Jukebox: A Generative Model for Music", 2020, section 3.1: entries that begin anew.
    C. Zheng, A. Vedaldi, "Online Clustered Codebook", 2023: entries that are clustered online.
    """

    def __init__(
        self, codebook_size: int, averaging: float = 0.0, clustered: bool = False, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.codebook_size = int(codebook_size)
        self.averaging = check_averaging(averaging)
        self.clustered = bool(clustered)
        if self.clustered and self.averaging > 0:
            raise ValueError(
                f"received clustered and averaging {averaging}: entries that are running means begin anew "
                "where nothing chooses them, so leave out one of the two"
            )

    def build(self, input_shape: Any) -> None:
        """Create the codebook, (codebook_size, d), and what its running means need."""
        shape = (self.codebook_size, input_shape[-1])
        limit = 1 / self.codebook_size
        learned = self.averaging == 0
        self.codebook = self.add_weight(
            name="codebook",
            shape=shape,
            initializer=keras.initializers.RandomUniform(-limit, limit),
            trainable=learned,
        )
        if not learned:
            self.counts = self.add_weight(
                name="counts", shape=(self.codebook_size,), initializer="ones", trainable=False
            )
            self.sums = self.add_weight(name="sums", shape=shape, initializer="zeros", trainable=False)
            self.sums.assign(self.codebook)
        if self.clustered:
            self.uses = self.add_weight(
                name="uses", shape=(self.codebook_size,), initializer="zeros", trainable=False
            )
        super().build(input_shape)

    def call(self, vectors: Any, training: bool | None = None) -> dict[str, Any]:
        """Quantise vectors (..., d).

        Returns
        -------
        dict of str to tensor
            ``indices`` (...) of the nearest entries, those ``entries`` (..., d), the same as ``quantised``
            with the gradient of the vectors, and the ``perplexity`` of the batch: how many entries were
            used, were all used equally often.
        """
        indices = keras.ops.argmin(self._squared_distances(vectors), axis=-1)
        entries = keras.ops.take(self.codebook, indices, axis=0)
        chosen = keras.ops.reshape(keras.ops.one_hot(indices, self.codebook_size), (-1, self.codebook_size))
        if training and self.averaging > 0:
            self._follow(keras.ops.reshape(vectors, (-1, vectors.shape[-1])), chosen)
        shares = keras.ops.mean(chosen, axis=0)
        if training and self.clustered:
            self._move_seldom_chosen(keras.ops.reshape(vectors, (-1, vectors.shape[-1])), shares)
        entropy = -keras.ops.sum(shares * keras.ops.log(keras.ops.maximum(shares, 1e-12)))
        return {
            "indices": indices,
            "entries": entries,
            "quantised": vectors + keras.ops.stop_gradient(entries - vectors),
            "perplexity": keras.ops.exp(entropy),
        }

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {
            **super().get_config(),
            "codebook_size": self.codebook_size,
            "averaging": self.averaging,
            "clustered": self.clustered,
        }

    def _squared_distances(self, vectors: Any) -> Any:
        """Return the distances to every entry, less the vector's own length, which changes no choice."""
        products = keras.ops.matmul(vectors, keras.ops.transpose(self.codebook))
        return keras.ops.sum(keras.ops.square(self.codebook), axis=-1) - 2 * products

    def _follow(self, vectors: Any, chosen: Any) -> None:
        share = 1 - self.averaging
        counts = self.averaging * self.counts + share * keras.ops.sum(chosen, axis=0)
        sums = self.averaging * self.sums + share * keras.ops.matmul(keras.ops.transpose(chosen), vectors)
        counts, sums = self._begin_unused_anew(counts, sums, vectors)
        self.counts.assign(counts)
        self.sums.assign(sums)
        # Without smoothing, the sums of entries that are chosen seldom would be divided by nearly 0.
        total = keras.ops.sum(counts)
        smoothed = (counts + _SMOOTHING) / (total + self.codebook_size * _SMOOTHING) * total
        self.codebook.assign(sums / keras.ops.expand_dims(smoothed, -1))

    def _move_seldom_chosen(self, vectors: Any, shares: Any) -> None:
        """Move entries towards random vectors, in the first batches nearly all of them."""
        uses = _USE_MOMENTUM * self.uses + (1 - _USE_MOMENTUM) * shares
        self.uses.assign(uses)
        rows = self._drawn_rows(vectors, keras.ops.sum(uses), keras.ops.sum(self.codebook))
        moved = keras.ops.exp(-uses * self.codebook_size * _SHARPNESS / (1 - _USE_MOMENTUM))[:, None]
        anchors = keras.ops.stop_gradient(keras.ops.take(vectors, rows, axis=0))
        self.codebook.assign((1 - moved) * self.codebook + moved * anchors)

    def _drawn_rows(self, vectors: Any, *numbers: Any) -> Any:
        """Draw a vector for every entry, by two numbers of the state: the draw needs no state of its own."""
        seed = tf.bitcast(tf.stack(numbers), tf.int32)
        return tf.random.stateless_uniform((self.codebook_size,), seed, 0, tf.shape(vectors)[0], tf.int32)

    def _begin_unused_anew(self, counts: Any, sums: Any, vectors: Any) -> tuple[Any, Any]:
        """Return counts and sums by which entries that nothing chooses become vectors of the batch."""
        rows = self._drawn_rows(vectors, keras.ops.sum(counts), keras.ops.sum(sums))
        share = keras.ops.cast(tf.shape(vectors)[0], counts.dtype) / self.codebook_size
        least = keras.ops.minimum(_USED, _LEAST_SHARE * share)
        unused = counts < least
        # An entry that begins anew has until its count has halved to be chosen.
        sums = keras.ops.where(unused[:, None], 2 * least * keras.ops.take(vectors, rows, axis=0), sums)
        return keras.ops.where(unused, 2 * least, counts), sums
