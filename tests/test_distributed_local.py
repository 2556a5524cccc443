"""Clusters of one process: begun by `start`, joined by nobody else, and gone with it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

import latentknn as lk
from new_interpreter import run_python
from ray_cluster import descendants, eventually, lives, write_folder
from scale import SCALE

CODES = np.random.default_rng(0).standard_normal((300, 5)).astype(np.float32)
SECONDS = 120 * max(1, SCALE)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    write_folder(tmp_path / "db", CODES, [100, 200], np.arange(300) % 3)
    return tmp_path / "db"


class Program:
    """A program that starts an index, says so, and goes on when it is told to."""

    def __init__(self, script: str, *arguments: str, **environment: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(script), *arguments],
            cwd=Path(__file__).parent,
            env={**os.environ, **environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def line(self) -> str:
        return self.process.stdout.readline().strip()

    def go_on(self) -> None:
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.process.kill()
        self.process.communicate(timeout=SECONDS)


SERVE = """
    import sys
    import latentknn as lk
    index = lk.distributed.start(sys.argv[1], name=sys.argv[2] or None)
    print(len(index), flush=True)
    input()
    index.stop()
    print("stopped", flush=True)
    input()
"""


SERVE_AND_MORE = SERVE.replace(
    "    input()",
    """    import subprocess
    print(subprocess.Popen(["sleep", "600"], stdin=-3, stdout=-3).pid, flush=True)
    input()""",
    1,
)
"""The same with a process of the program's own beside the cluster."""


@pytest.fixture(scope="module")
def killed(tmp_path_factory):
    """Return the processes of a driver that was killed before the tests of this file began."""
    path = tmp_path_factory.mktemp("killed") / "db"
    write_folder(path, CODES, [100, 200])
    with Program(SERVE_AND_MORE, str(path), "") as program:
        assert program.line() == "300"
        other = int(program.line())
        begun = set(descendants(program.process.pid)) - {other}
        assert len(begun) > 3
        agents = {pid for pid in begun if "Agent" in Path(f"/proc/{pid}/cmdline").read_text()}
        assert agents
        os.kill(program.process.pid, signal.SIGKILL)
    return begun, agents, other


def test_no_worker_is_left_after_the_driver_was_killed(killed):
    begun, agents, _ = killed
    assert eventually(lambda: not any(map(lives, begun - agents)), 10)


def test_others_connect_by_name_and_stop_it_and_its_own_stop_leaves_no_process(folder):
    script = """
        import sys
        import numpy as np
        import latentknn as lk
        index = lk.distributed.connect("codes")
        codes = np.load(sys.argv[1])
        assert index.search(codes, 1).ids.ravel().tolist() == list(range(300))
        print(index.status().name)
        if not sys.argv[2]:
            index.disconnect()
        else:
            lk.distributed.stop("codes")
            try:
                lk.distributed.connect("codes")
            except FileNotFoundError as error:
                print(error)
    """
    np.save(folder.parent / "codes.npy", CODES)
    with Program(SERVE, str(folder), "codes") as program:
        assert program.line() == "300"
        begun = descendants(program.process.pid)
        assert len(begun) > 3
        state = folder.parent / "state" / "latentknn" / "clusters"
        assert [(path.name, path.stat().st_mode & 0o777) for path in state.iterdir()] == [
            ("codes.json", 0o600)
        ]
        assert state.stat().st_mode & 0o777 == 0o700
        for stops in ("", "stops"):
            status, output, errors = run_python(
                "-c", textwrap.dedent(script), str(folder.parent / "codes.npy"), stops
            )
            assert status == 0, errors
            assert output.startswith("codes\n")
            assert ("no index named 'codes' is served" in output) == bool(stops)
        assert list(state.iterdir()) == []
        program.go_on()
        assert program.line() == "stopped"
        assert eventually(lambda: not any(map(lives, begun)), 5)


def test_local_joins_no_cluster_that_is_there_and_leaves_no_process(folder, ray_cluster):
    script = """
        import os, sys
        import ray
        import latentknn as lk
        from ray_cluster import descendants, eventually, listeners, lives
        with lk.distributed.start(sys.argv[1]) as index:
            assert ray.get_runtime_context().gcs_address != os.environ["RAY_ADDRESS"]
            assert len(ray.nodes()) == 1
            listening = listeners(os.getpid())
            assert len(listening) > 5
            assert set(listening) == {"127.0.0.1"}, listening
            with lk.distributed.start(sys.argv[1]) as second:
                assert len(second) == len(index)
            assert index.search([[1.0] * 5], 1).ids.shape == (1, 1)
            begun = descendants(os.getpid())
            assert len(begun) > 3
            try:
                lk.distributed.start(sys.argv[1], address=os.environ["RAY_ADDRESS"])
            except RuntimeError as error:
                assert "this process is connected" in str(error)
        assert not ray.is_initialized()
        assert eventually(lambda: not any(map(lives, begun)), 5)
    """
    with Program(script, str(folder), RAY_ADDRESS=ray_cluster.address) as program:
        assert program.process.wait(SECONDS) == 0


def test_there_is_an_error_where_no_cluster_is(folder):
    script = "import sys, latentknn as lk; lk.distributed.start(sys.argv[1], address='127.0.0.1:1')"
    status, _, errors = run_python("-c", script, str(folder))
    assert status == 1
    assert "ConnectionError: there is no Ray cluster at '127.0.0.1:1'" in errors


def test_an_index_of_no_shards_is_refused_before_a_cluster_begins(tmp_path):
    import ray

    connected = ray.is_initialized()
    with lk.shards.Writer(tmp_path / "db", dim=2):
        pass
    with pytest.raises((ValueError, FileNotFoundError), match=r"no (shards|manifest)"):
        lk.distributed.start(tmp_path / "db")
    assert ray.is_initialized() == connected


def test_a_missing_ray_is_told_with_the_extra(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ImportError, match=r"pip install 'latentknn\[ray\]'"):
        lk.distributed.start(folder)


def test_no_process_of_the_cluster_is_left_after_the_driver_was_killed(killed):
    begun, _, other = killed
    try:
        # Two agents of Ray's own would look for its head for a minute before they end.
        assert eventually(lambda: not any(map(lives, begun)), 20)
        assert lives(other)
    finally:
        os.kill(other, signal.SIGKILL)
