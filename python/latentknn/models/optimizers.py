"""What Keras's optimizers leave to be done, whether they scale losses, for float16, or not."""

from typing import Any


def build_once(optimizer: Any, variables: list[Any]) -> None:
    """Create an optimizer's variables if they are not there yet; one that scales losses would do so again."""
    if not optimizer.built:
        optimizer.build(variables)


def steps_taken(optimizer: Any) -> Any:
    """Return how many steps an optimizer has taken; one that scales losses counts none itself."""
    return getattr(optimizer, "inner_optimizer", optimizer).iterations
