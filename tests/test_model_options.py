"""The options of models, which are read without importing TensorFlow."""

from __future__ import annotations

import inspect

import pytest

from latentknn.models import MODELS
from latentknn.models.options import model_options
from new_interpreter import run_script


@pytest.mark.parametrize("name", MODELS)
def test_options_are_those_of_the_constructor(name):
    parameters = inspect.signature(MODELS[name].load_class()).parameters.values()
    shown = {each.name: each.default for each in parameters if each.kind is each.KEYWORD_ONLY}
    found = model_options(name)
    assert {option.name: option.default for option in found.values()} == shown
    assert list(found) == list(shown)
    for option in found.values():
        assert option.kind
        assert option.meaning.endswith("."), option


def test_a_model_that_there_is_not_has_no_options():
    with pytest.raises(KeyError):
        model_options("conv")


def test_options_are_read_without_tensorflow():
    script = """
        import sys
        from latentknn.models import MODELS
        from latentknn.models.options import model_options
        print(sum(len(model_options(name)) for name in MODELS) > 100)
        assert not {"tensorflow", "keras"} & set(sys.modules)
    """
    assert run_script(script) == "True\n"
