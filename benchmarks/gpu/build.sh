#!/usr/bin/env bash
# Builds latentknn with its CUDA engine into a folder for PYTHONPATH. Needs nvcc, CMake, Ninja, pybind11 and
# scikit-build-core; no network and no device.
#
#   benchmarks/gpu/build.sh FOLDER                    # for the device that PyTorch finds
#   benchmarks/gpu/build.sh FOLDER 90a                # for a device elsewhere: 90a is Hopper
#   benchmarks/gpu/build.sh FOLDER emulated           # for a rehearsal: the emulated devices of the tests
#   PYTHON=python3.12 benchmarks/gpu/build.sh ...     # for another Python than python3
set -euo pipefail
folder=$(realpath -m "$1")
cd "$(dirname "$0")/../.."
python=${PYTHON:-python3}
# Hopper's letter gives kernels what only it has.
architecture=${2:-$("$python" -c 'import torch; print("%d%d" % torch.cuda.get_device_capability())' | sed 's/^90$/90a/')}
export CMAKE_GENERATOR=Ninja
CMAKE_BUILD_PARALLEL_LEVEL=$(nproc)
export CMAKE_BUILD_PARALLEL_LEVEL

install() {
  "$python" -m pip install --quiet --no-build-isolation --no-deps --upgrade --target "$folder" . \
    -C build-dir="build/gpu-$architecture-{wheel_tag}" "$@"
}

if [ "$architecture" = emulated ]; then
  install -C cmake.define.LATENTKNN_CUDA=OFF
  build=build/gpu-emulated-$("$python" -c 'import sys; print(sys.implementation.cache_tag)')
  cmake -S . -B "$build" -DLATENTKNN_PYTHON=OFF -DLATENTKNN_TESTS=ON -DLATENTKNN_EMULATED_EXTENSION=ON \
    -DPython_EXECUTABLE="$("$python" -c 'import sys; print(sys.executable)')" \
    -Dpybind11_DIR="$("$python" -m pybind11 --cmakedir)"
  cmake --build "$build" --target emulated_cuda
  cp "$build"/tests/cpp/_cuda.*.so "$folder/latentknn/"
else
  install -C cmake.define.LATENTKNN_CUDA=ON -C "cmake.define.CMAKE_CUDA_ARCHITECTURES=$architecture"
fi
"$python" -m benchmarks.gpu.sources >"$folder/sources"
