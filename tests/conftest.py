"""Fixtures that several files share, and a check that a whole run tests every kernel of this CPU."""

from __future__ import annotations

import dataclasses
import signal
import sys
from collections import Counter
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import settings

import emulated_cuda
import latentknn
from keras_download import forbid_keras
from latentknn import _core, datasets, engines
from latentknn.datasets import published
from latentknn.datasets.idx import idx_checksum
from ray_cluster import RayCluster

# Every run tests the same cases; --hypothesis-profile=explore draws new ones.
settings.register_profile("reproducible", deadline=None, derandomize=True, database=None)
settings.register_profile("explore", deadline=None, max_examples=2000)
settings.load_profile("reproducible")

# A shell may start background jobs with Ctrl-C ignored; processes of the tests must not inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)

_kernel_tests_left_out: list[str] = []
_worker_calls: Counter[str] = Counter()
_workers_run_whole_suite: list[bool] = []


@pytest.fixture(params=_core.available_isas())
def isa(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return each instruction set that this CPU has, and force it on every index that the test builds."""
    monkeypatch.setenv("LATENTKNN_ISA", request.param)
    return request.param


@pytest.fixture(params=_core.strategy_names())
def strategy(request: pytest.FixtureRequest) -> str:
    """Return each screening strategy."""
    return request.param


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--require-cuda", action="store_true", help="fail where no CUDA device can be used")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out tests on emulated devices if a real one is required: emulated ones are not built there."""
    if not config.getoption("--require-cuda"):
        return
    emulated = [item for item in items if "emulated_devices" in getattr(item, "fixturenames", ())]
    config.hook.pytest_deselected(items=emulated)
    items[:] = [item for item in items if item not in emulated]


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    """Give layers without a seed of their own the same first weights in every run, in fixtures too."""
    if "keras" in sys.modules:
        sys.modules["keras"].utils.set_random_seed(0)


@pytest.fixture
def cuda_device(request: pytest.FixtureRequest) -> None:
    """Skip the test if there is no CUDA device, or fail it if one is required."""
    (cuda,) = (each for each in engines.availability() if each.name == "cuda")
    if not cuda.available:
        (pytest.fail if request.config.getoption("--require-cuda") else pytest.skip)(cuda.missing)


@pytest.fixture
def cuda_or_emulated(request: pytest.FixtureRequest) -> None:
    """Let the engine "cuda" use a real device if one is required, and emulated devices otherwise."""
    if request.config.getoption("--require-cuda"):
        request.getfixturevalue("cuda_device")
    else:
        request.getfixturevalue("emulated_devices")


@pytest.fixture
def emulated_devices(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let the engine "cuda" use emulated devices."""
    module = emulated_cuda.load()
    monkeypatch.setattr(latentknn, "_cuda", module, raising=False)
    monkeypatch.setitem(sys.modules, "latentknn._cuda", module)
    yield
    emulated_cuda.limit_memory(emulated_cuda.AMPLE)


@pytest.fixture
def without_umap(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let maps be placed by t-SNE, as where UMAP is not installed; it compiles itself for half a minute."""
    placing = import_module("latentknn.pages.placing")
    monkeypatch.setattr(placing, "find_spec", lambda name: None)


@pytest.fixture(scope="session")
def ray_cluster() -> Iterator[RayCluster]:
    """Give a Ray cluster of this machine, for all tests of a process."""
    cluster = RayCluster()
    yield cluster
    cluster.shutdown()


@pytest.fixture
def arrays() -> dict[str, np.ndarray]:
    """Return the arrays of a small data set."""
    generator = np.random.default_rng(0)
    return {
        "train_images": generator.integers(0, 256, (20, 5, 4), dtype=np.uint8),
        "train_labels": generator.permutation(np.arange(20, dtype=np.uint8) % 10),
        "test_images": generator.integers(0, 256, (10, 5, 4), dtype=np.uint8),
        "test_labels": np.arange(10, dtype=np.uint8),
    }


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arrays: dict[str, np.ndarray]) -> dict[str, Path]:
    """Publish the small data set as Fashion-MNIST, and return the folders of its sources."""
    small = dataclasses.replace(
        published.FASHION_MNIST,
        checksums={part: idx_checksum(array) for part, array in arrays.items()},
        debian_folder=tmp_path / "debian",
    )
    monkeypatch.setitem(published.PUBLISHED, "fashion_mnist", small)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    forbid_keras(monkeypatch)
    return {"cache": datasets.cache_folder("fashion_mnist"), "debian": tmp_path / "debian"}


def pytest_deselected(items: list[pytest.Item]) -> None:
    _kernel_tests_left_out.extend(item.nodeid for item in items if "isa" in getattr(item, "fixturenames", ()))


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Add the counts of a worker of pytest-xdist."""
    output = getattr(node, "workeroutput", {})
    _worker_calls.update(output.get("searches_by_isa", {}))
    _workers_run_whole_suite.append(output.get("whole_suite", False))


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail a run of the whole suite if it never called a kernel that this CPU has."""
    calls = Counter(_core.searches_by_isa())
    output = getattr(session.config, "workeroutput", None)
    if output is not None:
        output.update(searches_by_isa=dict(calls), whole_suite=_is_whole_suite(session))
        return
    whole = all(_workers_run_whole_suite) if _workers_run_whole_suite else _is_whole_suite(session)
    if not whole:
        return
    calls.update(_worker_calls)
    untested = [isa for isa in _core.available_isas() if not calls.get(isa)]
    if untested:
        reporter = session.config.pluginmanager.get_plugin("terminalreporter")
        reporter.write_line("")
        reporter.write_line(f"FAILED: no test exercised the kernels {', '.join(untested)}", red=True)
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def _is_whole_suite(session: pytest.Session) -> bool:
    """Return whether all files of tests were run, none in parts, with no test of a kernel deselected."""
    if session.config.option.collectonly or _kernel_tests_left_out:
        return False
    if any("::" in argument for argument in session.config.args):
        return False
    here = Path(__file__).parent
    return set(here.glob("test_*.py")) <= {item.path for item in session.items}
