"""A Keras model of images: how it is compiled, trained, evaluated and described."""

import inspect
from collections.abc import Iterable, Mapping
from os import PathLike
from typing import Any, ClassVar

from numpy.typing import ArrayLike

from latentknn.models.backend import JIT_COMPILE, keras, tf
from latentknn.models.base.fit_options import FitOptions
from latentknn.models.base.inputs import prepare_pair
from latentknn.models.base.training_loop import train
from latentknn.models.base.weights import check_weighable
from latentknn.models.images import check_input_shape, prepare_images
from latentknn.models.layers.batch_normalization import BatchNormalization
from latentknn.models.training.optimizers import build_once
from latentknn.models.training.prepared import prepare_dataset
from latentknn.models.training.sequences import as_dataset


class ImageModel(keras.Model):  # type: ignore[misc]
    """A Keras model that is trained on images: the part of ``ImageEncoder`` that follows Keras's conventions.

    Those methods of Keras that take images check them first.

    Parameters
    ----------
    input_shape, learning_rate, seed, **kwargs
        See ``ImageEncoder``.
    """

    registry_name: ClassVar[str]
    default_batch_size: ClassVar[int] = 32
    uses_labels: ClassVar[bool] = False
    """Whether the model learns from labels; it then has ``num_classes``."""
    weighs_samples: ClassVar[bool] = True
    """Whether each image has a loss of its own, which ``sample_weight`` and ``class_weight`` can weigh."""
    loss_part_names: ClassVar[tuple[str, ...]] = ()
    """The parts of the loss that are logged beside their sum; none where there is only one."""
    loss_ranks_epochs: ClassVar[bool] = True
    """Whether a lower loss of held-out images tells of a better model."""

    def __init__(
        self,
        *,
        input_shape: Iterable[int],
        learning_rate: float,
        seed: int,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        # Images are scaled in float32, and each layer casts its own inputs.
        self.autocast = False
        self.input_shape = check_input_shape(input_shape)
        self.learning_rate = float(learning_rate)
        self.seed = int(seed)

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
                layer.compiled_by_xla = lambda: bool(self.jit_compile)

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

    def loss_parts(self, x: Any, y: Any, y_pred: Any, sample_weight: Any = None) -> dict[str, Any]:
        """Return the parts of the loss of a batch, scalars by name, whose sum is minimised.

        Parameters
        ----------
        x, y
            Images and labels of the batch, as ``fit`` gives them to Keras.
        y_pred
            Outputs of ``call`` for them.
        sample_weight
            Weights (N,) of the images, by which each part multiplies what an image adds to it; None: all
            are 1.
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
        if sample_weight is None:
            parts = self.loss_parts(x, y, y_pred)
        else:
            check_weighable(self)
            parts = self.loss_parts(x, y, y_pred, sample_weight)
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
        *,
        validation_split: float = 0.0,
        shuffle: bool = True,
        class_weight: Mapping[int, float] | None = None,
        sample_weight: ArrayLike | None = None,
        initial_epoch: int = 0,
        steps_per_epoch: int | None = None,
    ) -> Any:
        """Train the model, with the conventions of Keras.

        Parameters
        ----------
        x : array_like, shape (N, H, W, C), or (N, H, W) where C is 1, or tf.data.Dataset or PyDataset
            Training images: integers from 0 to 255, or floats from 0 to 1. A dataset holds batches of images,
            of (images, labels) or of (images, labels, weights), in the order in which they are to be trained.
            A ``keras.utils.PyDataset`` holds the same; the order of its batches is shuffled.
        y : array_like of int, shape (N,), or one-hot, shape (N, num_classes), optional
            Labels, from 0 to ``num_classes - 1``. Models that learn without labels ignore them, but for
            ``class_weight``.
        batch_size : int, optional
            Images of a batch; by default the one with which the model was published.
        epochs : int
            Number of epochs, those before a resumed checkpoint included.
        verbose : "auto", 0, 1 or 2
            0: silent, 1: progress bar, 2: one line for every epoch; where not silent, with the time left.
        callbacks : iterable of keras.callbacks.Callback, optional
            ``keras.callbacks.EarlyStopping`` and all others work.
        validation_data : array_like, tuple, tf.data.Dataset or PyDataset, optional
            Images, (images, labels), or (images, labels, weights), on which the loss is computed after every
            epoch.
        checkpoint_dir : path, optional
            Folder that gets the whole state of the training at the end of every epoch.
        resume : bool
            Whether to go on from the checkpoint in ``checkpoint_dir``, if there is one. The weights are then
            the same, to the bit, as without the break, where two trainings with the same seed are the same
            and a dataset gives the same batches in every epoch. Keras's own callbacks go on too, where they
            are given in the same order: the best is remembered, and a ``CSVLogger`` appends to its file.
        validation_split : float
            Share of the images, the last ones of the arrays, to compute the loss on instead of training on
            them, from 0 to below 1; ``validation_data`` comes before it.
        shuffle : bool
            Whether arrays, and the batches of a ``PyDataset``, are trained in another order in every epoch,
            which the seed decides. A ``tf.data.Dataset`` comes in its own.
        class_weight : mapping of int to float, optional
            Factor of the loss of the images of each class; 1 for those that it does not name.
        sample_weight : array_like of float, shape (N,), optional
            Factor of the loss of every image. The loss of a batch is the sum of these losses divided by the
            number of its images. Models that learn from the images of a batch together take no weights.
        initial_epoch : int
            Number of epochs, of ``epochs``, that are taken as trained already.
        steps_per_epoch : int, optional
            Batches of an epoch; by default those of one pass over the data. An epoch goes on where the one
            before it ended.

        Returns
        -------
        keras.callbacks.History
            Losses and metrics of every epoch, those before a resumed checkpoint included.

        Raises
        ------
        ValueError
            If images, those of ``validation_data`` too, have a wrong shape or are out of range, there is
            none, labels or weights are missing or wrong, ``batch_size`` or ``steps_per_epoch`` is below 1,
            ``validation_split`` leaves nothing on one side, ``initial_epoch`` is negative or comes with
            ``resume``, or a checkpoint belongs to another training.
        FileExistsError
            If there is a checkpoint in ``checkpoint_dir`` and ``resume`` is false.
        """
        return train(
            self,
            x,
            y,
            batch_size=batch_size,
            epochs=epochs,
            verbose=verbose,
            callbacks=callbacks or (),
            validation_data=validation_data,
            checkpoint_dir=checkpoint_dir,
            resume=resume,
            options=FitOptions(
                validation_split=validation_split,
                shuffle=shuffle,
                class_weight=class_weight,
                sample_weight=sample_weight,
                initial_epoch=initial_epoch,
                steps_per_epoch=steps_per_epoch,
            ),
        )

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
        # With this option Keras evaluates the data that fit has prepared already.
        if not options.get("_use_cached_eval_dataset"):
            x, y = prepare_pair(self, x, y)
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
        return super().train_on_batch(*prepare_pair(self, x, y), *arguments, **options)

    def test_on_batch(self, x: Any, y: ArrayLike | None = None, *arguments: Any, **options: Any) -> Any:
        """Compute the loss of arrays as ``fit`` takes them; see ``keras.Model.test_on_batch``."""
        return super().test_on_batch(*prepare_pair(self, x, y), *arguments, **options)

    def predict_on_batch(self, x: Any) -> Any:
        """Return what ``call`` returns for arrays as ``predict`` takes them."""
        return super().predict_on_batch(self.prepare_inputs(x))

    def prepare_inputs(self, x: Any) -> Any:
        """Check what ``predict`` is given and return it as ``call`` takes it."""
        dataset = as_dataset(x)
        if dataset is not None:
            return prepare_dataset(dataset, self.input_shape, None)[0].map(lambda images, *_: (images,))
        return prepare_images(x, self.input_shape)

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments, from which ``from_config`` makes the same model, untrained."""
        arguments = inspect.signature(type(self).__init__).parameters.values()
        own = {each.name: getattr(self, each.name) for each in arguments if each.kind is each.KEYWORD_ONLY}
        return {**super().get_config(), **_plain(own)}


def _plain(value: Any) -> Any:
    """Return dictionaries and lists as such: a model's are of Keras's own types, which cannot be pickled."""
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    return [_plain(each) for each in value] if isinstance(value, list) else value
