"""Modules that have moved, for pickles, which name a class by its module when they were written."""

import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

_MOVED = {
    "latentknn.class_conditional": "latentknn.classification",
    "latentknn.classifier": "latentknn.classification",
    "latentknn.evaluation.neighbours": "latentknn.classification",
    "latentknn.evaluation.votes": "latentknn.classification",
    "latentknn.explanation": "latentknn.index",
}


def find_moved_modules() -> None:
    """Let imports, such as those of `pickle`, find a module that has moved where its classes are now."""
    sys.meta_path.append(_MovedModules())


class _MovedModules(MetaPathFinder, Loader):
    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return how to make the module, if it is one of those that have moved."""
        return ModuleSpec(fullname, self) if fullname in _MOVED else None

    def exec_module(self, module: ModuleType) -> None:
        """Fill the module with what its successor exports."""
        successor = import_module(_MOVED[module.__name__])
        for name in successor.__all__:
            setattr(module, name, getattr(successor, name))
