"""Odd arguments of public functions and of the core's: answers or errors, never the end of the process."""

import os
import re
from pathlib import Path

from new_interpreter import run_python
from scale import scaled


def test_odd_calls_end_in_an_answer_or_an_error(tmp_path):
    """After each call the index answers as before, unless the call was a change that is allowed."""
    here = Path(__file__).parent
    status, output, errors = run_python(
        str(here / "odd_calls.py"), str(scaled(1_000)), folder=tmp_path, PYTHONPATH=os.fspath(here)
    )
    assert status == 0, output + errors
    answered, refused = map(int, re.findall(r"\d+", output))
    assert answered + refused >= 10_000 + scaled(1_000)
    assert min(answered, refused) > 500
