"""Modules that have moved. A pickle names a class by the module that held it when the pickle was written."""

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
    """Let imports of a moved module, such as `pickle` makes, find the module that holds its classes now."""
    sys.meta_path.append(_MovedModules())


class _MovedModules(MetaPathFinder, Loader):
    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return the specification of the module if it is one that has moved."""
        return ModuleSpec(fullname, self) if fullname in _MOVED else None

    def exec_module(self, module: ModuleType) -> None:
        """Fill the module with what its successor exports."""
        successor = import_module(_MOVED[module.__name__])
        for name in successor.__all__:
            setattr(module, name, getattr(successor, name))
