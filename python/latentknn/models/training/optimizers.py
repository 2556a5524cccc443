"""Functions that treat an optimizer and its wrapper alike.

Keras wraps the optimizer of a model in mixed float16 into another one, which scales the losses.
"""

from typing import Any


def build_once(optimizer: Any, variables: list[Any]) -> None:
    """Create an optimizer's variables if they are not there yet; one that scales losses would do so again."""
    if not optimizer.built:
        optimizer.build(variables)


def name_of(optimizer: Any) -> str:
    """Return the name of the algorithm; an optimizer of this package has the name of the class it extends."""
    classes = type(getattr(optimizer, "inner_optimizer", optimizer)).__mro__
    return next(each.__name__ for each in classes if not each.__module__.startswith("latentknn."))
