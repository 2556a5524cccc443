"""What a package shows of itself: its ``__all__``, some of it imported when it is asked for.

Every public package assigns its ``__dir__``, and its ``__getattr__`` where a name costs more to import than
the package itself. Completion and ``dir`` then show what is promised, and none of the package's imports.
"""

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any


def listing(names: Sequence[str]) -> Callable[[], list[str]]:
    """Return the ``__dir__`` of a package that promises these names."""

    def listed() -> list[str]:
        return sorted(names)

    return listed


def importing(package: str, modules: Mapping[str, str]) -> Callable[[str], Any]:
    """Return the ``__getattr__`` of a package that imports some names when they are asked for.

    Parameters
    ----------
    package : str
        Name of the package.
    modules : mapping of str to str
        The module of each name, which may be the module that the name stands for.
    """

    def imported(name: str) -> Any:
        if name not in modules:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        module = import_module(modules[name])
        return module if module.__name__ == f"{package}.{name}" else getattr(module, name)

    return imported
