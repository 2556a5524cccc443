#!/usr/bin/env bash
# Runs the CUDA engine under a tool that looks on from outside; exit status 77 where the tool cannot run here.
#
#   benchmarks/gpu/tools.sh memcheck SCALE                  # tests/cuda_small.py under compute-sanitizer
#   benchmarks/gpu/tools.sh racecheck SCALE FOLDER          # likewise, kernel by kernel, as small as it can be
#   benchmarks/gpu/tools.sh ncu SCALE FOLDER                # the headline's screening kernels; FOLDER gets ncu.txt
set -uo pipefail
cd "$(dirname "$0")/../.."
tool=$1 scale=$2 folder=${3-}

cannot_run() {
  echo "$1" >&2
  exit 77
}

sanitize() {
  compute-sanitizer --tool "$tool" --error-exitcode 1 "$@"
}

# Every kernel, by a part of its mangled name, has a process of its own, with its own limit, all at once: it is slow, and
# one that does not end must not hide the others.
check_races() {
  local kernel status=0
  local -A running=()
  for kernel in rank tighten cut pack maxima 13screen warpgroup_screen_kernelIi warpgroup_screen_kernelIf; do
    timeout 200 compute-sanitizer --tool racecheck --error-exitcode 1 --kernel-regex "kns=$kernel" --print-limit 5 \
      python3 tests/cuda_small.py 0.01 >"$folder/racecheck-$kernel.txt" 2>&1 &
    running[$kernel]=$!
  done
  for kernel in "${!running[@]}"; do
    if wait "${running[$kernel]}"; then
      echo "racecheck of $kernel: clean"
    else
      echo "racecheck of $kernel: NOT clean, or ended at its limit; the end of what it says:"
      tail -n 15 "$folder/racecheck-$kernel.txt"
      status=1
    fi
  done
  return "$status"
}

case $tool in
ncu)
  command -v ncu >/dev/null || cannot_run "there is no ncu"
  # The first batch of queries: its stages, and their repetitions. Those of the trial of products come before.
  ncu --clock-control none --kernel-name regex:screen --launch-skip 12 --launch-count 6 --log-file "$folder/ncu.txt" \
    --section LaunchStats --section Occupancy --section SpeedOfLight --section ComputeWorkloadAnalysis \
    --section MemoryWorkloadAnalysis --section WarpStateStats --print-details all \
    python3 -m benchmarks.gpu.profile --results "$folder" --scale "$scale" --bare
  grep -q screen "$folder/ncu.txt" || cannot_run "ncu has seen no kernel: $(head -c 1000 "$folder/ncu.txt")"
  grep -E 'screen|Duration|Compute \(SM\) Throughput|Registers Per' "$folder/ncu.txt"
  ;;
*)
  command -v compute-sanitizer >/dev/null || cannot_run "there is no compute-sanitizer"
  # Memory and copies, no kernel: where that fails, it is not the engine that fails.
  sanitize python3 -c 'import numpy as np
from latentknn.engines.cuda_engine import import_cuda
import_cuda()[0].DeviceArray.copy_of(np.ones(3), 0).to_host()' || cannot_run "compute-sanitizer cannot work with this device"
  if [ "$tool" = memcheck ]; then sanitize python3 tests/cuda_small.py "$scale"; else check_races; fi
  ;;
esac
