"""The machine code of the kernels. The tests need nvcc, but no device."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SOURCES = Path(__file__).parents[1] / "cpp" / "cuda"
ARCHITECTURES = ("80", "89", "90a")
MOST_INSTRUCTIONS = 200
"""Most instructions of a step of the main loop: 64 of them multiply, and the others must not cost more."""

MOST_OF_A_SLICE = 70
"""Most instructions around the two that multiply a slice on Hopper and take 128 cycles or more."""

REGISTERS = 65_536
"""Registers of a multiprocessor."""

LARGEST_BLOCKS = {
    "screen.cu": {
        "warpgroup_screen_kernel": 640,
        "warpgroup_maxima_kernel": 640,
        "screen_kernel": 256,
        "maxima_kernel": 256,
    },
    "tighten.cu": {"tighten_kernel": 1024, "cut_kernel": 512, "start_kernel": 256},
    "rank.cu": {"rank_kernel": 512},
    "pack.cu": {"pack_kernel": 256, "spread_kernel": 256, "take_largest_kernel": 256},
}
"""Threads of the largest block that each kernel is launched with."""


def compiled(source: str, architecture: str, folder: Path) -> tuple[str, Path]:
    """Return the report of ptxas on the kernels of a file, and the path of their machine code."""
    if shutil.which("nvcc") is None:
        pytest.skip("there is no nvcc")
    code = folder / "kernels.cubin"
    options = ["-std=c++17", "-O3", "--expt-relaxed-constexpr", "-Xptxas", "-v", "-cubin"]
    target = f"-gencode=arch=compute_{architecture},code=sm_{architecture}"
    said = subprocess.run(
        ["nvcc", *options, target, str(SOURCES / source), "-o", str(code)],
        check=True,
        capture_output=True,
        text=True,
    )
    return said.stderr, code


def disassembled(code: Path) -> str:
    """Return machine code as text. nvdisasm is on the path, beside nvcc, or among the tests' packages."""
    beside = Path(shutil.which("nvcc") or "nvcc").resolve().parent
    found = shutil.which("nvdisasm") or shutil.which("nvdisasm", path=beside)
    packaged = sorted(Path(sys.prefix).glob("lib/python*/site-packages/nvidia/*/bin/nvdisasm"))
    if found is None and not packaged:
        pytest.skip("there is no nvdisasm")
    tool = found or str(packaged[-1])
    return subprocess.run([tool, "-c", str(code)], check=True, capture_output=True, text=True).stdout


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("source", LARGEST_BLOCKS)
def test_kernels_spill_no_registers_and_fit_their_blocks(source, architecture, tmp_path):
    report, _ = compiled(source, architecture, tmp_path)
    kernels = re.findall(
        r"entry function '(\w+)'.*?(\d+) bytes spill stores, (\d+) bytes spill loads.*?Used (\d+) registers",
        report,
        re.DOTALL,
    )
    blocks = LARGEST_BLOCKS[source]
    names = [next(name for name in blocks if name in mangled) for mangled, *_ in kernels]
    assert set(names) == set(blocks)
    for name, (_, stores, loads, registers) in zip(names, kernels, strict=True):
        assert (stores, loads) == ("0", "0"), name
        # A warp gets registers in units of 256.
        of_a_warp = -(-int(registers) * 32 // 256) * 256
        assert of_a_warp * blocks[name] // 32 <= REGISTERS, name
        if architecture == "90a" and name.startswith("warpgroup"):
            # One warpgroup gives registers to the four others: 128 threads have 64, and 512 threads have 104.
            assert int(registers) * 640 == 128 * 64 + 512 * 104, name


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_main_loops_are_short(architecture, tmp_path):
    _, code = compiled("screen.cu", architecture, tmp_path)
    lengths = _step_lengths(code, 64, "MMA")
    assert len(lengths) == 4
    assert max(lengths) <= MOST_INSTRUCTIONS


def test_warpgroups_multiply_and_go_on(tmp_path):
    report, code = compiled("screen.cu", "90a", tmp_path)
    # ptxas names wgmma in its report if it makes products wait for each other.
    assert "wgmma" not in report
    # One slice at a time, or two.
    for slices in (1, 2):
        lengths = _step_lengths(code, 2 * slices, "GMMA")
        assert len(lengths) == 4
        assert max(lengths) <= slices * MOST_OF_A_SLICE


def _step_lengths(code: Path, multiplying: int, instruction: str) -> list[int]:
    """Return the length of the shortest loop with so many multiplying instructions, for each kernel with one.

    The shortest is the loop over steps, which is inside the loops over tiles and over items.
    """
    lengths = []
    for kernel in disassembled(code).split("\t.section\t.text.")[1:]:
        steps = [
            len(loop) for loop in _loops(kernel) if sum(instruction in line for line in loop) == multiplying
        ]
        lengths += [min(steps)] if steps else []
    return lengths


def _loops(kernel: str) -> list[list[str]]:
    """Return the instructions of each loop, from a label to a later branch to it."""
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
