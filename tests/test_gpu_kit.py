"""The stages of benchmarks/gpu/run.sh: a stage that fails or hangs does not stop the others."""

from __future__ import annotations

import subprocess
from pathlib import Path

STAGES = Path(__file__).parents[1] / "benchmarks" / "gpu" / "stages.sh"


def run(script: str) -> tuple[int, list[str], list[str]]:
    """Return the exit status of a script, what it printed before the summary, and the summary's lines."""
    done = subprocess.run(
        ["bash", "-c", f"source {STAGES}\n{script}"], stdout=subprocess.PIPE, text=True, timeout=60
    )
    printed, _, summary = done.stdout.partition("== summary\n")
    return done.returncode, printed.splitlines(), summary.splitlines()


def outcomes(summary: list[str]) -> dict[str, str]:
    return {line.split()[0]: line.split(" s  ")[1] for line in summary}


def test_stages_that_pass():
    status, printed, summary = run("stage first 9 echo one\nstage second 9 echo two\nsummarise")
    assert status == 0
    assert [line for line in printed if line] == [
        "== first, at most 9 s",
        "one",
        "== second, at most 9 s",
        "two",
    ]
    assert outcomes(summary) == {"first": "passed", "second": "passed"}


def test_a_stage_that_fails_or_hangs_does_not_stop_the_next():
    status, printed, summary = run(
        "stage fails 9 false\nstage hangs 1 sleep 50\nstage last 9 echo 'the last one'\nsummarise"
    )
    assert status == 1
    assert printed[-2] == "the last one"
    assert outcomes(summary) == {
        "fails": "FAILED: exit status 1",
        "hangs": "FAILED: ended at its limit of 1 s",
        "last": "passed",
    }


def test_all_that_a_stage_has_started_ends_with_it():
    # Children of the stage hold the pipe of its output open as long as they live.
    status, _, summary = run("stage hangs 1 bash -c 'sleep 50 & wait'\nsummarise")
    assert status == 1
    assert outcomes(summary) == {"hangs": "FAILED: ended at its limit of 1 s"}


def test_a_stage_that_cannot_be_asked_to_end():
    _, _, summary = run(
        "grace=1\nstage hangs 1 bash -c 'trap \"\" TERM; while :; do sleep 1; done'\nsummarise"
    )
    assert outcomes(summary) == {"hangs": "FAILED: ended at its limit of 1 s"}


def test_a_stage_that_cannot_run_here_has_not_failed():
    status, _, summary = run("stage tool 9 bash -c 'exit 77'\nsummarise")
    assert status == 0
    assert outcomes(summary) == {"tool": "cannot run here"}


def test_the_caller_learns_how_a_stage_ended():
    assert run("stage first 9 bash -c 'exit 3'; exit $?")[0] == 3


def test_no_stage_begins_when_the_time_is_up():
    status, printed, summary = run(
        "time_for_stages=2\nstage hangs 9 sleep 50\nstage late 9 echo late\nsummarise"
    )
    assert status == 1
    assert "late" not in printed
    assert outcomes(summary) == {
        "hangs": "FAILED: ended at its limit of 2 s",
        "late": "left out: no time was left",
    }
