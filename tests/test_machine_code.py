"""The machine code of the screening kernels, where nvcc is installed: no device is needed to read it."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SOURCES = Path(__file__).parents[1] / "cpp" / "cuda"
MOST_INSTRUCTIONS = 200
"""A step of the main loop, 64 matrix instructions among them: others must not outnumber what they cost."""


def _disassembler() -> str:
    """Return nvdisasm: of the path, of nvcc's own folder, or of the package that the tests install."""
    beside = Path(shutil.which("nvcc") or "nvcc").resolve().parent
    found = shutil.which("nvdisasm") or shutil.which("nvdisasm", path=beside)
    packaged = sorted(Path(sys.prefix).glob("lib/python*/site-packages/nvidia/*/bin/nvdisasm"))
    if found is None and not packaged:
        pytest.skip("there is no nvdisasm")
    return found or str(packaged[-1])


@pytest.fixture(scope="module", params=["80", "89", "90a"])
def compiled(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """What ptxas says of the screening kernels, and their machine code."""
    if shutil.which("nvcc") is None:
        pytest.skip("there is no nvcc")
    code = tmp_path_factory.mktemp("code") / "screen.cubin"
    options = ["-std=c++17", "-O3", "--expt-relaxed-constexpr", "-Xptxas", "-v", "-cubin"]
    architecture = f"-gencode=arch=compute_{request.param},code=sm_{request.param}"
    said = subprocess.run(
        ["nvcc", *options, architecture, str(SOURCES / "screen.cu"), "-o", str(code)],
        check=True,
        capture_output=True,
        text=True,
    )
    dumped = subprocess.run([_disassembler(), "-c", str(code)], check=True, capture_output=True, text=True)
    return said.stderr, dumped.stdout


def test_screening_kernels_spill_no_registers(compiled):
    report, _ = compiled
    spills = re.findall(r"(\d+) bytes spill stores, (\d+) bytes spill loads", report)
    assert len(spills) >= 2
    assert set(spills) == {("0", "0")}


def test_main_loops_are_short(compiled):
    _, code = compiled
    lengths = []
    for kernel in code.split("\t.section\t.text.")[1:]:
        # Around the loop over steps there are those over tiles and over items.
        steps = [len(loop) for loop in _loops(kernel) if sum("MMA" in line for line in loop) == 64]
        lengths += [min(steps)] if steps else []
    assert len(lengths) >= 2
    assert max(lengths) <= MOST_INSTRUCTIONS


def _loops(kernel: str) -> list[list[str]]:
    """Return the instructions from each label to each later branch to it."""
    lines = kernel.splitlines()
    labels = {
        match.group(1): number
        for number, line in enumerate(lines)
        if (match := re.match(r"\s*(\.L\w+):", line))
    }
    loops = []
    for number, line in enumerate(lines):
        target = re.search(r"\bBRA\b.*`\((\.L\w+)\)", line)
        if target and labels.get(target.group(1), number) < number:
            body = lines[labels[target.group(1)] : number + 1]
            loops.append([each for each in body if re.search(r"/\*[0-9a-f]{4,}\*/", each)])
    return loops
