"""The interface that every model shares."""

import inspect
import json
from collections.abc import Callable, Iterable
from os import PathLike
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from latentknn.atomic_file import atomic_file
from latentknn.models.backend import JIT_COMPILE, keras, tf
from latentknn.models.base.checkpoint import Checkpoint
from latentknn.models.base.exported import ExportedModel
from latentknn.models.errors import UnsupportedOperationError
from latentknn.models.images import check_input_shape, prepare_images
from latentknn.models.layers.batch_normalization import BatchNormalization
from latentknn.models.layers.scaling import scale_pixels
from latentknn.models.registry import OPERATIONS
from latentknn.models.training.data import ArrayData, DatasetData, prepare_dataset
from latentknn.models.training.lost_interrupts import LostInterrupts
from latentknn.models.training.optimizers import build_once, name_of
from latentknn.models.training.time_left import TimeLeft


class ImageEncoder(keras.Model):  # type: ignore[misc]
    """A Keras model that turns images into codes.

    It is compiled when it is created, so ``fit`` works at once; ``compile`` may be called again with another
    optimizer or loss. Images go in as they are, integers from 0 to 255 or floats from 0 to 1: scaling is
    part of the model.

    A subclass keeps every argument of its constructor as an attribute of the same name, from which
    ``get_config`` follows, and calls ``finish`` at the constructor's end. It implements ``call``,
    ``encode_scaled`` and ``loss_parts``, and those operations that it has of ``decode``, ``reconstruct``,
    ``generate`` and ``encode_per_class``.

    Parameters
    ----------
    input_shape : tuple of int
        Height, width and channels of the images.
    latent_dim : int
        Length of a code.
    learning_rate : float
        Of the optimizer.
    seed : int
        Seed of initial weights, of dropout and other noise, and of the order of training batches. Two
        trainings with the same seed on the same machine give the same weights; on a GPU, if
        ``tf.config.experimental.enable_op_determinism()`` was called first.
    **kwargs
        ``name``, ``trainable`` and ``dtype`` of ``keras.Model``. With ``"mixed_float16"`` or
        ``"mixed_bfloat16"``, for hardware that is faster at them, layers compute in halves; weights, codes,
        images and losses are of float32 all the same.
    """

    registry_name: ClassVar[str]
    default_batch_size: ClassVar[int] = 32
    uses_labels: ClassVar[bool] = False
    """Whether the model learns from labels; it then has ``num_classes``."""
    loss_part_names: ClassVar[tuple[str, ...]] = ()
    """The parts of the loss that are logged beside their sum; none where there is only one."""

    def __init__(
        self,
        *,
        input_shape: Iterable[int],
        latent_dim: int,
        learning_rate: float,
        seed: int,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.autocast = False  # images are scaled in float32; each layer casts what it is given
        self.input_shape = check_input_shape(input_shape)
        self.latent_dim = int(latent_dim)
        self.learning_rate = float(learning_rate)
        self.seed = int(seed)
        # One trace for every batch size, so that codes do not depend on what was encoded before.
        self._encode_batch = tf.function(
            self.encode_scaled, input_signature=[tf.TensorSpec((None, *self.input_shape), tf.float32)]
        )

    @property
    def capabilities(self) -> frozenset[str]:
        """The operations that this model has, of ``latentknn.models.OPERATIONS``."""
        return frozenset(
            operation
            for operation in OPERATIONS
            if operation == "encode" or getattr(type(self), operation) is not getattr(ImageEncoder, operation)
        )

    def finish(self, loss: Any = None, metrics: list[Any] | None = None) -> None:
        """Build and compile the model: the last step of every constructor.

        Parameters
        ----------
        loss, metrics
            As ``compile`` takes them.
        """
        self._part_means = {name: keras.metrics.Mean(name=name) for name in self.loss_part_names}
        self.build((None, *self.input_shape))
        optimizer = self.make_optimizer()
        self.compile(optimizer=optimizer, loss=loss, metrics=metrics, jit_compile=JIT_COMPILE)
        for layer in self._flatten_layers():
            if isinstance(layer, BatchNormalization):
                layer.count_steps = lambda: self.optimizer.iterations

    # Training

    def make_optimizer(self) -> Any:
        """Return the optimizer with which the model is compiled when it is created."""
        return keras.optimizers.Adam(self.learning_rate)

    @property
    def optimizer_variables(self) -> list[Any]:
        """The variables of the optimizer, or of all of them."""
        return list(self.optimizer.variables)

    def build_optimizers(self) -> None:
        """Create the variables of the optimizer, or of all of them, if they are not there yet."""
        build_once(self.optimizer, self.trainable_variables)

    def schedule(self, total_steps: int | None) -> list[Any]:
        """Return the callbacks that vary a training with its progress.

        Parameters
        ----------
        total_steps : int or None
            Batches of the whole training; None: unknown.
        """
        return []

    def loss_parts(self, x: Any, y: Any, y_pred: Any) -> dict[str, Any]:
        """Return the parts of the loss of a batch, scalars by name, whose sum is minimised.

        Parameters
        ----------
        x, y
            Images and labels of the batch, as ``fit`` gives them to Keras.
        y_pred
            What ``call`` returned for them.
        """
        raise NotImplementedError(f"{type(self).__name__} must implement loss_parts")

    def arrange_batch(self, images: Any, labels: Any = None) -> tuple[Any, ...]:
        """Return a batch as Keras takes it: (x,), or (x, y) for a model that learns from labels."""
        return (images,) if labels is None else (images, labels)

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> Any:
        """Add up the parts of the loss, and note each for the logs."""
        parts = self.loss_parts(x, y, y_pred)
        rows = tf.shape(keras.tree.flatten(x)[0])[0]
        for name, mean in self._part_means.items():
            mean.update_state(parts[name], sample_weight=rows)
        return sum(parts.values())

    def fit(
        self,
        x: Any,
        y: ArrayLike | None = None,
        batch_size: int | None = None,
        epochs: int = 1,
        verbose: str | int = "auto",
        callbacks: Iterable[Any] | None = None,
        validation_data: Any = None,
        checkpoint_dir: str | PathLike[str] | None = None,
        resume: bool = False,
    ) -> Any:
        """Train the model, with the conventions of Keras.

        Parameters
        ----------
        x : array_like, shape (N, H, W, C), or (N, H, W) where C is 1, or tf.data.Dataset
            Training images: integers from 0 to 255, or floats from 0 to 1. A dataset holds batches of images
            or of (images, labels), in the order in which they are to be trained.
        y : array_like of int, shape (N,), optional
            Labels, from 0 to ``num_classes - 1``. Models that learn without labels ignore them.
        batch_size : int, optional
            Images of a batch; by default the one with which the model was published.
        epochs : int
            Number of epochs, those before a resumed checkpoint included.
        verbose : "auto", 0, 1 or 2
            0: silent, 1: progress bar, 2: one line for every epoch; where not silent, with the time left.
        callbacks : iterable of keras.callbacks.Callback, optional
            ``keras.callbacks.EarlyStopping`` and all others work.
        validation_data : array_like, tuple or tf.data.Dataset, optional
            Images, or (images, labels), on which the loss is computed after every epoch.
        checkpoint_dir : path, optional
            Folder that gets the whole state of the training at the end of every epoch.
        resume : bool
            Whether to go on from the checkpoint in ``checkpoint_dir``, if there is one. The weights are then
            the same, to the bit, as without the break, where two trainings with the same seed are the same
            and a dataset gives the same batches in every epoch. Keras's own callbacks go on too, where they
            are given in the same order: the best is remembered, and a ``CSVLogger`` appends to its file.

        Returns
        -------
        keras.callbacks.History
            Losses and metrics of every epoch, those before a resumed checkpoint included.

        Raises
        ------
        ValueError
            If images, those of ``validation_data`` too, have a wrong shape or are out of range, there is
            none, labels are missing or wrong, ``batch_size`` is below 1, or a checkpoint belongs to another
            training.
        FileExistsError
            If there is a checkpoint in ``checkpoint_dir`` and ``resume`` is false.
        """
        data = self._training_data(x, y, batch_size)
        steps = data.steps_per_epoch
        schedule = self.schedule(None if steps is None else steps * epochs)
        callbacks = [*schedule, *(callbacks or [])]
        validation_data = self._prepare_validation(validation_data)
        first_epoch = 0

        history = keras.callbacks.History()
        checkpoint = None
        if checkpoint_dir is not None:
            run = self._run_description(data)
            if schedule:
                run["epochs"] = epochs
            checkpoint = Checkpoint(Path(checkpoint_dir), run, callbacks)
            if checkpoint.path.exists():
                if not resume:
                    raise FileExistsError(
                        f"{checkpoint.path} holds a training; pass resume=True to go on with it, "
                        "or give another checkpoint_dir"
                    )
                checkpoint.restore(self)
                first_epoch = checkpoint.next_epoch
                if checkpoint.stopped_early:
                    epochs = first_epoch
            callbacks.append(checkpoint)
        elif resume:
            raise ValueError("resume=True needs checkpoint_dir, the folder of the checkpoint")

        with LostInterrupts() as lost_interrupts:
            super().fit(
                data.batches(first_epoch, epochs).map(self.arrange_batch),
                steps_per_epoch=steps,
                initial_epoch=first_epoch,
                epochs=epochs,
                shuffle=False,  # the data has its order
                verbose=verbose,
                callbacks=[lost_interrupts, TimeLeft(), *callbacks, history],
                validation_data=validation_data,
                validation_batch_size=data.batch_size or self.default_batch_size,
            )
        if checkpoint is not None:
            history.epoch, history.history = checkpoint.epoch, checkpoint.history
        return history

    def evaluate(self, x: Any, y: ArrayLike | None = None, *arguments: Any, **options: Any) -> Any:
        """Compute the loss and the metrics, with the conventions of Keras.

        Parameters
        ----------
        x, y
            Images and labels, or a dataset of them, as ``fit`` takes them.
        *arguments, **options
            ``batch_size``, ``verbose``, ``return_dict`` and others, as ``keras.Model.evaluate`` takes them.

        Returns
        -------
        float, list of float, or dict of str to float
            The loss alone or with the metrics; by name if ``return_dict`` is true.

        Raises
        ------
        TypeError, ValueError
            If images are no numbers, have a wrong shape, are out of range or contain NaN, there is none, or
            labels are missing or wrong.
        """
        if not options.get("_use_cached_eval_dataset"):  # by which Keras evaluates what fit has prepared
            x, y = self._prepare_pair(x, y)
        return super().evaluate(x, y, *arguments, **options)

    def predict(self, x: Any, *arguments: Any, **options: Any) -> Any:
        """Return what ``call`` returns, with the conventions of Keras; codes are what ``encode`` returns.

        Parameters
        ----------
        x
            Images as ``encode`` takes them, or a dataset as ``fit`` does; with their labels, as a pair, if
            the model's ``call`` takes them too.
        *arguments, **options
            ``batch_size``, ``verbose`` and others, as ``keras.Model.predict`` takes them.

        Raises
        ------
        TypeError, ValueError
            As ``encode``, or if labels that matter are wrong.
        """
        return super().predict(self.prepare_inputs(x), *arguments, **options)

    def train_on_batch(self, x: Any, y: ArrayLike | None = None, *arguments: Any, **options: Any) -> Any:
        """Take one step of training with arrays as ``fit`` takes them; see ``keras.Model.train_on_batch``."""
        return super().train_on_batch(*self._prepare_pair(x, y), *arguments, **options)

    def test_on_batch(self, x: Any, y: ArrayLike | None = None, *arguments: Any, **options: Any) -> Any:
        """Compute the loss of arrays as ``fit`` takes them; see ``keras.Model.test_on_batch``."""
        return super().test_on_batch(*self._prepare_pair(x, y), *arguments, **options)

    def predict_on_batch(self, x: Any) -> Any:
        """Return what ``call`` returns for arrays as ``predict`` takes them."""
        return super().predict_on_batch(self.prepare_inputs(x))

    def prepare_inputs(self, x: Any) -> Any:
        """Check what ``predict`` is given and return it as ``call`` takes it."""
        if isinstance(x, tf.data.Dataset):
            return prepare_dataset(x, self.input_shape, None)
        return prepare_images(x, self.input_shape)

    # Use

    def encode(self, x: ArrayLike, batch_size: int = 256) -> NDArray[np.float32]:
        """Turn images into codes, deterministically: no dropout, no noise, fixed statistics.

        Parameters
        ----------
        x : array_like, shape (N, H, W, C), or (N, H, W) where C is 1
            Images: integers from 0 to 255, or floats from 0 to 1.
        batch_size : int
            Images that are computed at once.

        Returns
        -------
        ndarray of float32, shape (N, latent_dim)
            The codes.

        Raises
        ------
        TypeError, ValueError
            If images are no numbers, have a wrong shape, are out of range or contain NaN.
        """
        images = prepare_images(x, self.input_shape)
        return self._in_batches(lambda batch: self._encode_batch(scale_pixels(batch)), images, batch_size)

    def encode_scaled(self, images: Any) -> Any:
        """Turn a tensor of scaled images (N, H, W, C) into a tensor of codes; every model has its own way."""
        raise NotImplementedError(f"{type(self).__name__} must implement encode_scaled")

    def encode_labelled(self, x: ArrayLike, labels: ArrayLike, batch_size: int = 256) -> NDArray[np.float32]:
        """Turn images whose classes are known into codes for a database.

        Parameters
        ----------
        x : array_like, shape (N, H, W, C), or (N, H, W) where C is 1
            Images, as ``encode`` takes them.
        labels : array_like, shape (N,)
            Class of every image; a conditional model's codes depend on it, those of others do not.
        batch_size : int
            Images that are computed at once.

        Returns
        -------
        ndarray of float32, shape (N, latent_dim)
            The codes.

        Raises
        ------
        TypeError, ValueError
            As ``encode``, or if labels that matter are wrong.
        """
        return self.encode(x, batch_size)

    def check_labelled(self, x: ArrayLike, labels: ArrayLike) -> None:
        """Raise what ``encode_labelled`` would raise for these images and labels, without encoding them."""
        prepare_images(x, self.input_shape)

    def encode_queries(self, x: ArrayLike, batch_size: int = 256) -> NDArray[np.float32]:
        """Turn images of unknown class into what is searched for among the codes of ``encode_labelled``.

        Parameters
        ----------
        x : array_like, shape (N, H, W, C), or (N, H, W) where C is 1
            Images, as ``encode`` takes them.
        batch_size : int
            Images that are computed at once.

        Returns
        -------
        ndarray of float32, shape (N, latent_dim), or (num_classes, N, latent_dim)
            The codes; of a conditional model, those under every class.

        Raises
        ------
        TypeError, ValueError
            As ``encode``.
        """
        return self.encode(x, batch_size)

    def encode_per_class(self, x: ArrayLike, batch_size: int = 256) -> NDArray[np.float32]:
        """Encode every image under every class: (C, N, latent_dim); only for conditional models."""
        raise UnsupportedOperationError(self.registry_name, "encode_per_class")

    def decode(self, codes: ArrayLike, batch_size: int = 256) -> NDArray[np.float32]:
        """Turn codes (N, latent_dim) into images (N, H, W, C), float32 from 0 to 1."""
        raise UnsupportedOperationError(self.registry_name, "decode")

    def reconstruct(self, x: ArrayLike, batch_size: int = 256) -> NDArray[np.float32]:
        """Encode images and decode their codes: (N, H, W, C), float32 from 0 to 1."""
        raise UnsupportedOperationError(self.registry_name, "reconstruct")

    def generate(self, n: int, seed: int = 0) -> NDArray[np.float32]:
        """Make ``n`` new images (n, H, W, C), float32 from 0 to 1."""
        raise UnsupportedOperationError(self.registry_name, "generate")

    # Saving

    def save(self, filepath: str | PathLike[str], overwrite: bool = True) -> None:
        """Save the model, with its optimizer, as a Keras file that holds no pickle.

        ``latentknn.models.load`` brings it back; its codes are then the same to the bit.

        Parameters
        ----------
        filepath : path
            A path that ends in ``.keras``. The file appears whole or not at all.
        overwrite : bool
            Whether to replace a file that is there.

        Raises
        ------
        ValueError
            If the path does not end in ``.keras``.
        FileExistsError
            If the file is there and ``overwrite`` is false.
        """
        path = Path(filepath)
        if path.suffix != ".keras":
            raise ValueError(f"cannot save to {path}: a model's path ends in .keras")
        if path.exists() and not overwrite:
            raise FileExistsError(f"{path} is there already; pass overwrite=True to replace it")
        self.build_optimizers()  # Keras warns when it loads one that was not
        with atomic_file(path) as unfinished:
            super().save(unfinished)

    def export(self, filepath: str | PathLike[str], *arguments: Any, **options: Any) -> None:
        """Export what the model computes, to be used without this package.

        An exported model's ``serve`` takes images (N, H, W, C) of float32 from 0 to 1; that of a conditional
        model (images, labels). It returns a dictionary with the ``codes`` that ``encode`` gives, of a
        conditional model those under the labels, beside what else the model's ``call`` returns.

        Parameters
        ----------
        filepath : path
            Folder of a TensorFlow SavedModel, or what else ``format`` asks for.
        *arguments, **options
            ``format``, ``verbose`` and others, as ``keras.Model.export`` takes them.
        """
        specs = self.input_specs()
        exported = ExportedModel(self)
        # Keras exports what has been called.
        exported(keras.tree.map_structure(lambda spec: tf.zeros((1, *spec.shape[1:]), spec.dtype), specs))
        exported.export(filepath, *arguments, **{"input_signature": [specs], **options})

    def serve(self, inputs: Any) -> dict[str, Any]:
        """Return what an exported model returns for what ``call`` takes: its outputs, and the ``codes``."""
        outputs = self(inputs, training=False)
        return {**outputs, "codes": self.encode_scaled(scale_pixels(inputs))}

    def input_specs(self) -> Any:
        """Return shape and type of what ``call`` takes."""
        return tf.TensorSpec((None, *self.input_shape), tf.float32, "images")

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments, from which ``from_config`` makes the same model, untrained."""
        arguments = inspect.signature(type(self).__init__).parameters.values()
        own = {each.name: getattr(self, each.name) for each in arguments if each.kind is each.KEYWORD_ONLY}
        return {**super().get_config(), **_plain(own)}

    # Helpers

    def _in_batches(
        self, function: Callable[[Any], Any], array: NDArray[Any], batch_size: int
    ) -> NDArray[np.float32]:
        if len(array) == 0:  # TensorFlow's fused convolutions fail on no images where they are by oneDNN
            return self._in_batches(function, np.zeros((1, *array.shape[1:]), array.dtype), batch_size)[:0]
        starts = range(0, len(array), _check_batch_size(batch_size))
        results = [function(tf.constant(array[start : start + batch_size])).numpy() for start in starts]
        return np.concatenate(results)

    def _prepare_arrays(self, x: Any, y: Any) -> tuple[NDArray[Any], ...]:
        images = prepare_images(x, self.input_shape)
        labels = self._check_labels(y, len(images))
        return (images,) if labels is None else (images, labels)

    def _training_data(self, x: Any, y: Any, batch_size: int | None) -> ArrayData | DatasetData:
        if isinstance(x, tf.data.Dataset):
            if y is not None or batch_size is not None:
                raise ValueError("a dataset holds labels and batches itself: leave y and batch_size out")
            return DatasetData(x, self.input_shape, self._num_labels())
        arrays = self._prepare_arrays(x, y)
        if len(arrays[0]) == 0:
            raise ValueError("received no images to train on")
        batch_size = self.default_batch_size if batch_size is None else _check_batch_size(batch_size)
        return ArrayData(arrays, batch_size, self.seed)

    def _prepare_validation(self, validation_data: Any) -> Any:
        if validation_data is None:
            return None
        if not isinstance(validation_data, tuple):
            return self._prepare_evaluation(validation_data)
        if len(validation_data) > 2:
            raise ValueError(
                f"received validation_data of {len(validation_data)} parts, "
                "expected images or (images, labels)"
            )
        return self._prepare_evaluation(*validation_data)

    def _prepare_evaluation(self, x: Any, y: Any = None) -> Any:
        """Return images and labels that are evaluated as Keras takes them: (x,), (x, y) or a dataset."""
        if isinstance(x, tf.data.Dataset):
            if y is not None:
                raise ValueError("a dataset holds labels itself: leave y out")
            dataset = prepare_dataset(x, self.input_shape, self._num_labels())
            return dataset.map(self.arrange_batch)
        arrays = self._prepare_arrays(x, y)
        if len(arrays[0]) == 0:
            raise ValueError("received no images to evaluate")
        return self.arrange_batch(*arrays)

    def _prepare_pair(self, x: Any, y: Any) -> tuple[Any, Any]:
        """Return the first two arguments of Keras's methods."""
        prepared = self._prepare_evaluation(x, y)
        if isinstance(prepared, tf.data.Dataset):
            return prepared, None
        x, y, _ = keras.utils.unpack_x_y_sample_weight(prepared)
        return x, y

    def _num_labels(self) -> int | None:
        return self.num_classes if self.uses_labels else None

    def _check_labels(self, y: ArrayLike | None, images: int) -> NDArray[np.int64] | None:
        """Return the labels that the model learns from: None if it learns without."""
        if y is None:
            if self.uses_labels:
                raise ValueError(f"{self.registry_name} learns from labels: pass them as y")
            return None
        labels = np.asarray(y)
        if labels.shape != (images,) or not np.issubdtype(labels.dtype, np.integer):
            unused = "" if self.uses_labels else f" (which {self.registry_name} does not use)"
            raise ValueError(
                f"received y of shape {labels.shape} and dtype {labels.dtype} for {images} images, "
                f"expected one integer label for every image{unused}"
            )
        if not self.uses_labels:
            return None
        if labels.size > 0 and not 0 <= labels.min() <= labels.max() < self.num_classes:
            raise ValueError(
                f"received labels from {labels.min()} to {labels.max()}, expected 0 to "
                f"{self.num_classes - 1}; num_classes is an argument of the model"
            )
        return labels.astype(np.int64)

    def _run_description(self, data: ArrayData | DatasetData) -> dict[str, Any]:
        """Describe a training as JSON values: what must not change when it is resumed."""
        config = self.get_config()
        del config["name"]
        description = {
            "model": self.registry_name,
            **config,
            "optimizer": name_of(self.optimizer),
            "batch_size": data.batch_size,
            "training images": data.description,
        }
        return json.loads(json.dumps(description))  # type: ignore[no-any-return]


def _check_batch_size(batch_size: int) -> int:
    if batch_size < 1:
        raise ValueError(f"received batch_size {batch_size}, expected at least 1")
    return batch_size


def _plain(value: Any) -> Any:
    """Return dictionaries and lists as such: a model's are of Keras's own types, which cannot be pickled."""
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    return [_plain(each) for each in value] if isinstance(value, list) else value
