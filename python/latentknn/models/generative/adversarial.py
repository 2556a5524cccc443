"""The adversarial models share the training of two sides, each with an optimizer of its own."""

from collections.abc import Callable
from typing import Any

from latentknn.models.backend import keras, tf
from latentknn.models.base.image_encoder import ImageEncoder
from latentknn.models.base.weights import check_weighable
from latentknn.models.training.optimizers import build_once


class AdversarialModel(ImageEncoder):
    """A model with a critic and what the critic judges, trained in turn.

    A subclass implements ``critic_variables``, ``judged_variables``, ``train_step`` and ``test_step``. The
    optimizer given to ``compile`` trains the judged side; the critic keeps its own.
    """

    weighs_samples = False
    loss_ranks_epochs = False

    @property
    def critic_variables(self) -> list[Any]:
        """The variables that the critic's optimizer trains."""
        raise NotImplementedError(f"{type(self).__name__} must implement critic_variables")

    @property
    def judged_variables(self) -> list[Any]:
        """The variables that the other optimizer trains."""
        raise NotImplementedError(f"{type(self).__name__} must implement judged_variables")

    def finish(self, loss: Any = None, metrics: list[Any] | None = None) -> None:
        """Build and compile the model with two optimizers: the last step of every constructor."""
        super().finish(loss, metrics)
        optimizer = self.make_optimizer()
        # The method compile wraps the other optimizer in the same way.
        scaled = self.dtype_policy.name == "mixed_float16"
        self.critic_optimizer = keras.optimizers.LossScaleOptimizer(optimizer) if scaled else optimizer
        self.build_optimizers()

    @property
    def optimizer_variables(self) -> list[Any]:
        """The variables of both optimizers."""
        return [*self.optimizer.variables, *self.critic_optimizer.variables]

    def build_optimizers(self) -> None:
        """Create the variables of both optimizers, if they are not there yet."""
        build_once(self.optimizer, self.judged_variables)
        build_once(self.critic_optimizer, self.critic_variables)

    def compile_from_config(self, config: dict[str, Any]) -> None:
        """Compile a loaded model; Keras alone would build the optimizer for the critic's variables too."""
        self.compile(**keras.saving.deserialize_keras_object(config))
        self.build_optimizers()

    def images_of(self, data: Any) -> Any:
        """Return the images of a batch that Keras hands over; weights of images are refused."""
        images, _, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        if sample_weight is not None:
            check_weighable(self)
        return images

    def minimise(self, optimizer: Any, variables: list[Any], compute: Callable[[], Any]) -> Any:
        """Let an optimizer take a step down what ``compute`` returns, and return that."""
        with tf.GradientTape() as tape:
            loss = compute()
            scaled = optimizer.scale_loss(loss)
        optimizer.apply_gradients(zip(tape.gradient(scaled, variables), variables, strict=True))
        return loss

    def note(self, images: Any, **values: Any) -> dict[str, Any]:
        """Note values of a batch for the logs, ``loss`` and parts of it by name; return all logs so far."""
        self._loss_tracker.update_state(values.pop("loss"), sample_weight=keras.ops.shape(images)[0])
        for name, value in values.items():
            self.note_part(name, value, images)
        return dict(self.get_metrics_result())

    def note_part(self, name: str, value: Any, images: Any) -> None:
        """Note a part of the loss of a batch for the logs."""
        self._part_means[name].update_state(value, sample_weight=keras.ops.shape(images)[0])


def classification_loss(real_scores: Any, false_scores: Any) -> Any:
    """Return the loss of a critic that tells real from false by logits: binary cross-entropy, summed."""
    return keras.ops.mean(keras.ops.softplus(-real_scores)) + keras.ops.mean(keras.ops.softplus(false_scores))


def deception_loss(false_scores: Any) -> Any:
    """Return the loss of what should pass for real: the critic's cross-entropy with the labels swapped."""
    return keras.ops.mean(keras.ops.softplus(-false_scores))
