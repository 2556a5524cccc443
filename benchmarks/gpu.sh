#!/usr/bin/env bash
# The proof of the CUDA engine on a machine that has a device: builds, tests, looks for memory errors, times.
# Needs Python with NumPy, PyTorch, CuPy, scikit-learn, safetensors, pytest, hypothesis, pybind11 and scikit-build-core;
# CMake and nvcc; no network. What was measured is kept, so that a second call goes on.
#
#   benchmarks/gpu.sh [FOLDER [OPTIONS OF gpu.py]]       # FOLDER gets gpu.json; by default benchmarks/results
set -euo pipefail
cd "$(dirname "$0")/.."
results=${1:-benchmarks/results}
shift || true
capability=$(python3 -c 'import torch; print("%d%d" % torch.cuda.get_device_capability())')

echo "== build for sm_$capability"
python3 -m pip install --quiet --no-build-isolation --no-deps --target build/gpu --upgrade . \
  -C build-dir=build/gpu-cmake -C cmake.define.LATENTKNN_CUDA=ON -C "cmake.define.CMAKE_CUDA_ARCHITECTURES=$capability"
export PYTHONPATH=$PWD/build/gpu

echo "== engines"
python3 -c 'from latentknn.cli import main; main(["engines"])'
python3 -m pytest -q -p no:cacheprovider tests/test_engines.py tests/test_device_arrays.py \
  tests/test_automatic_engine.py -k "cuda or device or automatic" --require-cuda

echo "== memory errors"
if command -v compute-sanitizer >/dev/null; then
  for tool in memcheck racecheck synccheck initcheck; do
    compute-sanitizer --tool "$tool" --error-exitcode 1 python3 tests/cuda_small.py
  done
else
  echo "no compute-sanitizer" >&2
  exit 1
fi

echo "== times"
python3 benchmarks/gpu.py --results "$results" "$@"
