"""``dir``, completion and help show what is public, in every public package, and nothing else."""

from __future__ import annotations

import inspect
import rlcompleter
from collections.abc import Iterator
from types import ModuleType

import pytest

import latentknn as lk
from new_interpreter import run_script


def public_packages(package: ModuleType = lk) -> Iterator[ModuleType]:
    """Yield a package and those that it shows, by way of the names that it promises."""
    yield package
    for name in package.__all__:
        value = getattr(package, name)
        if inspect.ismodule(value):
            yield from public_packages(value)


PACKAGES = {package.__name__: package for package in public_packages()}
NAMES = [
    (package, name)
    for package in PACKAGES.values()
    for name in package.__all__
    if not inspect.ismodule(getattr(package, name))
]


def test_all_public_packages_are_found():
    assert set(PACKAGES) >= {
        "latentknn",
        *(
            f"latentknn.{name}"
            for name in ("classification", "datasets", "doctor", "encoders", "engines", "evaluation")
        ),
        *(f"latentknn.{name}" for name in ("exporters", "index", "models", "pages", "report", "shards")),
        "latentknn.evaluation.measures",
    }


@pytest.mark.parametrize("name", PACKAGES)
def test_a_package_shows_what_it_promises_and_nothing_else(name):
    package = PACKAGES[name]
    assert dir(package) == sorted(package.__all__)
    assert len(set(package.__all__)) == len(package.__all__)
    assert [each for each in package.__all__ if each.startswith("_") and each != "__version__"] == []


@pytest.mark.parametrize("name", PACKAGES)
def test_completion_offers_what_is_public(name):
    completer = rlcompleter.Completer({"lk": lk})
    path = name.replace("latentknn", "lk")
    offered = completer.attr_matches(f"{path}.")
    names = [each.removeprefix(f"{path}.").rstrip("()") for each in offered]
    assert sorted(names) == sorted(each for each in PACKAGES[name].__all__ if not each.startswith("_"))


@pytest.mark.parametrize(("package", "name"), NAMES, ids=[f"{p.__name__}.{n}" for p, n in NAMES])
def test_a_public_name_can_be_had(package, name):
    value = getattr(package, name)
    if inspect.isclass(value) or inspect.isfunction(value):
        assert inspect.getdoc(value)


def test_a_name_that_is_not_there_is_an_attribute_error():
    for package in PACKAGES.values():
        with pytest.raises(AttributeError, match="no_such_name"):
            _ = package.no_such_name


def test_looking_imports_nothing_large():
    script = """
        import sys
        import latentknn as lk
        dir(lk), dir(lk.models), dir(lk.evaluation)
        print(sorted({"tensorflow", "keras", "faiss", "matplotlib", "bokeh"} & set(sys.modules)))
    """
    assert run_script(script) == "[]\n"
