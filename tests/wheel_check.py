"""A check that a wheel imports and answers, for an environment that holds its dependencies alone.

    python tests/wheel_check.py

`packaging/wheels.sh` and cibuildwheel run it. ``LATENTKNN_WHEEL_HAS_CUDA`` is "yes" or "no" where it is known
whether the wheel was built where nvcc is.
"""

import io
import os
import re
import sys
import tempfile
from contextlib import redirect_stdout
from importlib import metadata
from pathlib import Path

import latentknn as lk

LOADED = {"sklearn", "scipy", "tensorflow", "faiss", "matplotlib"} & set(sys.modules)

import numpy as np  # noqa: E402

import cases  # noqa: E402
import reference  # noqa: E402
from checking import assert_same_bytes  # noqa: E402
from latentknn import _core, engines  # noqa: E402

PACKAGE = Path(lk.__file__).parent
REPOSITORY = Path(__file__).parents[1]


def check_imports() -> None:
    """The package is the installed one, and importing it has loaded nothing but NumPy."""
    assert "site-packages" in lk.__file__, lk.__file__
    assert not LOADED, f"import latentknn has loaded {LOADED}"


def check_files() -> None:
    """Stubs, templates, and the licences of all that is compiled in are in the wheel."""
    for path in ("py.typed", "_core.pyi", "pages/templates/page.html"):
        assert (PACKAGE / path).is_file(), f"{path} is missing"
    found = {path.name for path in metadata.files("latentknn") or () if "licenses" in path.parts}
    assert {"LICENSE", "pybind11.txt", "cuda-runtime.txt", "compiler-runtimes.txt"} <= found, found


def check_page() -> None:
    """Every link and picture of what a package index shows leads somewhere from there."""
    text = metadata.metadata("latentknn").get_payload()
    links = re.findall(r"\]\(([^)]+)\)", text)
    assert links, "the wheel has no description"
    relative = [link for link in links if not link.startswith("https://")]
    assert not relative, f"links that lead nowhere from a package index: {relative}"


def check_answers() -> None:
    """Every strategy on every instruction set gives the bytes of the reference."""
    codes, queries = cases.build("denormals", 0, 1000, 50, 24)
    expected = reference.search(codes, queries, 10)
    for isa in _core.available_isas():
        os.environ["LATENTKNN_ISA"] = isa
        for strategy in _core.strategy_names():
            index = lk.CosineIndex.from_codes(codes, strategy=strategy)
            assert index.isa == isa
            assert_same_bytes(index.search(queries, 10, scores64=True), expected)
    del os.environ["LATENTKNN_ISA"]


def check_classifier() -> None:
    """The classifier finds scikit-learn, and the command line its commands."""
    labels = np.arange(1000) % 3
    codes = cases.build("mixture", 0, 1000, 0, 8)[0]
    assert lk.CosineKNNClassifier().fit(codes, labels).predict(codes[:5]).tolist() == [0, 1, 2, 0, 1]
    assert any(entry.name == "latentknn" for entry in metadata.entry_points(group="console_scripts"))


def check_first_examples() -> None:
    """What the first pages show first needs no extra."""
    for page in ("README.md", "docs/index.md", "docs/install.md"):
        example = re.search(
            r"```python\n(.*?)```", (REPOSITORY / page).read_text(encoding="utf-8"), re.DOTALL
        )
        with redirect_stdout(io.StringIO()) as printed:
            exec(example[1], {})
        assert printed.getvalue(), page


def check_command() -> None:
    """The command line evaluates codes without any extra."""
    from latentknn.cli import main

    codes, _ = cases.build("mixture", 0, 300, 0, 8)
    with tempfile.TemporaryDirectory() as folder:
        np.save(f"{folder}/codes.npy", codes)
        np.save(f"{folder}/labels.npy", np.arange(300) % 3)
        results = Path(folder, "results")
        with redirect_stdout(io.StringIO()) as printed:
            status = main(["evaluate", f"{folder}/codes.npy", f"{folder}/labels.npy", "--out", str(results)])
        assert status == 0, printed.getvalue()
        assert lk.evaluation.CodeEvaluation.load(results / "results.json").items.neighbours.shape[0] == 300


def check_cuda() -> str:
    """The engine of devices is there if it was built, and says what it misses in any case."""
    (cuda,) = (each for each in engines.availability() if each.name == "cuda")
    built = any(PACKAGE.glob("_cuda.*.so"))
    expected = os.environ.get("LATENTKNN_WHEEL_HAS_CUDA")
    assert expected in (None, "yes" if built else "no"), f"_cuda is built: {built}, expected: {expected}"
    if built:
        from latentknn import _cuda

        devices, missing = _cuda.devices()
        assert bool(devices) != bool(missing), (devices, missing)
        assert "built without CUDA" not in cuda.missing
    else:
        assert "built without CUDA" in cuda.missing, cuda
    return "with _cuda" if built else "without _cuda"


if __name__ == "__main__":
    check_imports()
    check_files()
    check_page()
    check_answers()
    check_classifier()
    check_first_examples()
    check_command()
    print(f"the wheel answers, {check_cuda()}; kernels here: {', '.join(_core.available_isas())}")
