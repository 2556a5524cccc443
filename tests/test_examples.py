"""The examples in docstrings run as printed."""

from __future__ import annotations

import doctest
from importlib import import_module
from pkgutil import walk_packages

import latentknn as lk

# Examples of these modules are not run: they use TensorFlow, and images and models that they do not make.
WITH_TENSORFLOW = (
    "latentknn.models",
    "latentknn.evaluation.knn_accuracy",
    "latentknn.evaluation.samples",
)
WITHOUT_ALL_THE_SAME = "latentknn.models.options"


def test_examples_run_as_printed():
    names = [
        module.name
        for module in walk_packages(lk.__path__, "latentknn.")
        if module.name != "latentknn.__main__"
        and (module.name == WITHOUT_ALL_THE_SAME or not module.name.startswith(WITH_TENSORFLOW))
    ]
    results = {name: doctest.testmod(import_module(name)) for name in names}
    assert [name for name, result in results.items() if result.failed] == []
    # The classes of these packages name the package as their module.
    assert results["latentknn.index"].attempted > 0
    assert results["latentknn.classification"].attempted > 0


def test_the_main_classes_have_examples():
    for name in ("CosineIndex", "CosineKNNClassifier", "ClassConditionalKNNClassifier"):
        assert ">>> import latentknn as lk" in getattr(lk, name).__doc__
