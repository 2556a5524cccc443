"""The examples in docstrings run as printed, and every public name has one."""

from __future__ import annotations

import ast
import doctest
import inspect
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from pkgutil import walk_packages
from types import ModuleType

import pytest

import latentknn as lk
from test_public_names import NAMES


def constants_of(module: ModuleType) -> dict[str, str]:
    """Return the strings below the assignments of a module, by the names that are assigned."""
    body = ast.parse(Path(str(module.__file__)).read_text(encoding="utf-8")).body
    found = {}
    for assigned, below in pairwise(body):
        if isinstance(assigned, ast.Assign | ast.AnnAssign) and isinstance(below, ast.Expr):
            (target,) = assigned.targets if isinstance(assigned, ast.Assign) else (assigned.target,)
            if isinstance(target, ast.Name) and isinstance(below.value, ast.Constant):
                found[target.id] = inspect.cleandoc(str(below.value.value))
    return found


MODULES = [
    import_module(module.name)
    for module in walk_packages(lk.__path__, "latentknn.")
    if module.name != "latentknn.__main__" and not module.name.startswith("latentknn._c")
]

# test_distributed_page.py runs the examples of these, in a cluster.
CLUSTER_MODULES = [module for module in MODULES if module.__name__.startswith("latentknn.distributed")]


def constant_docstring(package: ModuleType, name: str) -> str:
    """Return what stands below a constant of a package, in whichever of its modules assigns it."""
    inside = [module for module in MODULES if module.__name__.startswith(f"{package.__name__}.")]
    (found,) = [constants[name] for module in inside if name in (constants := constants_of(module))]
    return found


def is_constant(value: object) -> bool:
    return not (inspect.isclass(value) or inspect.isfunction(value))


CONSTANTS = [
    (package, name)
    for package, name in NAMES
    if is_constant(getattr(package, name)) and name != "__version__"
]


def test_examples_run_as_printed():
    modules = [module for module in MODULES if module not in CLUSTER_MODULES]
    results = {module.__name__: doctest.testmod(module) for module in modules}
    assert [name for name, result in results.items() if result.failed] == []
    # The classes of these packages name the package as their module.
    assert results["latentknn.index"].attempted > 0
    assert results["latentknn.classification"].attempted > 0
    assert sum(result.attempted for name, result in results.items() if "latentknn.models" in name) > 40


@pytest.mark.parametrize(("package", "name"), CONSTANTS, ids=[f"{p.__name__}.{n}" for p, n in CONSTANTS])
def test_the_example_of_a_constant_runs_as_printed(package, name):
    docstring = constant_docstring(package, name)
    example = doctest.DocTestParser().get_doctest(docstring, {}, name, None, None)
    assert example.examples
    assert doctest.DocTestRunner().run(example).failed == 0


def test_every_public_name_has_an_example():
    without = [
        f"{package.__name__}.{name}"
        for package, name in NAMES
        if not is_constant(getattr(package, name)) and ">>>" not in (getattr(package, name).__doc__ or "")
    ]
    assert without == []
