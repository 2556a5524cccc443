"""What `latentknn doctor` finds out of a machine."""

from __future__ import annotations

import json
import os

import msgspec
import numpy as np
import pytest

import latentknn as lk
from latentknn import _core, engines
from latentknn.cli import main
from latentknn.doctor import Examination, examine
from latentknn.doctor.libraries import clashes, describe_peers, installed_versions
from latentknn.doctor.processor import describe_processor
from latentknn.doctor.threads import cgroup_quota, describe_threads
from new_interpreter import run_script


@pytest.fixture
def only_numpy(monkeypatch):
    """Let NumPy be the only peer, as importing the others takes seconds."""
    monkeypatch.setattr(examine.__globals__["describe_peers"], "__defaults__", (("numpy",),))


@pytest.mark.usefixtures("only_numpy")
def test_examination_says_what_the_core_says():
    found = examine()
    assert found.latentknn == lk.__version__
    assert found.processor.kernels == tuple(_core.available_isas())
    assert found.processor.in_use == lk.CosineIndex(3).isa
    assert found.threads.default == _core.usable_processors()
    assert found.engines == tuple(engines.availability())
    assert found.packages["numpy"] == np.__version__
    assert [(peer.module, peer.version, peer.error) for peer in found.peers] == [
        ("numpy", np.__version__, "")
    ]
    assert any(pool.kind in ("openblas", "mkl", "blis") for pool in found.peers[0].pools)


@pytest.mark.usefixtures("only_numpy")
def test_text_names_every_engine_and_what_it_is_missing():
    text = str(examine())
    for each in engines.availability():
        assert f"  {each.name}: {each.kernels or 'no: ' + each.missing}\n" in text
    assert [line for line in text.splitlines() if line and not line.startswith(" ")] == [
        "Versions",
        "Processor",
        "Threads",
        "Engines",
        "Packages",
        "Peers, each imported alone",
    ]


@pytest.mark.usefixtures("only_numpy")
def test_command_prints_json_that_reads_back(capsys):
    assert main(["doctor", "--json"]) == 0
    printed = capsys.readouterr().out
    assert json.loads(printed)["processor"]["kernels"] == _core.available_isas()
    assert msgspec.json.decode(printed, type=Examination).engines == tuple(engines.availability())


@pytest.mark.usefixtures("only_numpy")
def test_command_prints_text(capsys):
    assert main(["doctor"]) == 0
    assert f"latentknn {lk.__version__}" in capsys.readouterr().out


def test_doctor_imports_no_heavy_library_itself():
    script = """
        import sys
        from latentknn.cli import main
        from latentknn.doctor import libraries
        libraries.describe_peers.__defaults__ = ((),)
        main(["doctor"])
        heavy = {"tensorflow", "keras", "torch", "sklearn", "scipy", "matplotlib"} & set(sys.modules)
        assert not heavy, heavy
    """
    run_script(script)


def test_refused_instruction_set_is_told(monkeypatch):
    monkeypatch.setenv("LATENTKNN_ISA", "avx1024")
    assert "LATENTKNN_ISA=avx1024" in describe_processor().in_use
    assert describe_threads().variables["LATENTKNN_ISA"] == "avx1024"


@pytest.mark.skipif(
    not hasattr(os, "sched_setaffinity") or (os.cpu_count() or 1) < 2,
    reason="needs two processors and masks of them",
)
def test_affinity_that_limits_threads_is_told():
    script = """
        import os
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
        from latentknn.doctor.threads import describe_threads
        found = describe_threads()
        print(found.default, found.affinity, found.limited_by)
    """
    assert run_script(script) == "1 1 affinity\n"


@pytest.mark.parametrize(
    ("quotas", "expected"),
    [
        ({}, None),
        ({"a/b/cpu.max": "max 100000\n"}, None),
        ({"a/b/cpu.max": "150000 100000\n"}, 1.5),
        ({"cpu.max": "400000 100000\n", "a/cpu.max": "50000 100000\n", "a/b/cpu.max": "max 100000\n"}, 0.5),
        ({"cpu/cpu.cfs_quota_us": "300000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 3.0),
        ({"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, None),
    ],
)
def test_smallest_quota_of_a_cgroup_and_those_above_counts(tmp_path, quotas, expected):
    for path, text in quotas.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    assert cgroup_quota(tmp_path, "/a/b") == expected


def test_versions_are_of_installed_packages_alone(monkeypatch, tmp_path):
    assert installed_versions()["scikit-learn"]
    monkeypatch.setattr("sys.path", [str(tmp_path)])
    assert installed_versions() == {}


def test_module_of_two_packages_is_a_clash(monkeypatch, tmp_path):
    for package in ("faiss_cpu", "faiss_gpu_cu12"):
        folder = tmp_path / f"{package}-1.0.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
        (folder / "top_level.txt").write_text("faiss\n")
    monkeypatch.setattr("sys.path", [str(tmp_path)])
    assert clashes() == {"faiss": ["faiss_cpu", "faiss_gpu_cu12"]}


def test_peer_whose_import_fails_is_told_with_its_error(monkeypatch, tmp_path):
    (tmp_path / "broken_peer.py").write_text("raise ImportError('libstrange.so: cannot be opened')")
    (tmp_path / "ending_peer.py").write_text("import os; os._exit(3)")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    broken, ending = describe_peers(("broken_peer", "ending_peer", "absent_peer"))
    assert broken.error == "ImportError: libstrange.so: cannot be opened"
    assert ending.error == "its import ended with status 3"
