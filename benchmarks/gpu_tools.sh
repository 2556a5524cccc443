#!/usr/bin/env bash
# Runs the CUDA engine under a tool that looks on from outside; exit status 77 where the tool cannot run here.
#
#   benchmarks/gpu_tools.sh memcheck|racecheck SCALE        # tests/cuda_small.py under compute-sanitizer
#   benchmarks/gpu_tools.sh ncu SCALE FOLDER                # the headline's screening kernels; FOLDER gets ncu.txt
set -uo pipefail
cd "$(dirname "$0")/.."
tool=$1 scale=$2

cannot_run() {
  echo "$1" >&2
  exit 77
}

sanitize() {
  compute-sanitizer --tool "$tool" --error-exitcode 1 python3 "$@"
}

case $tool in
ncu)
  folder=$3
  command -v ncu >/dev/null || cannot_run "there is no ncu"
  # The first batch of queries: its stages, and their repetitions. Those of the trial of products come before.
  ncu --clock-control none --kernel-name regex:screen --launch-skip 12 --launch-count 6 --log-file "$folder/ncu.txt" \
    --section LaunchStats --section Occupancy --section SpeedOfLight --section ComputeWorkloadAnalysis \
    --section MemoryWorkloadAnalysis --section WarpStateStats --print-details all \
    python3 benchmarks/gpu_profile.py --results "$folder" --scale "$scale" --bare
  grep -q screen "$folder/ncu.txt" || cannot_run "ncu has seen no kernel: $(head -c 1000 "$folder/ncu.txt")"
  grep -E 'screen|Duration|Compute \(SM\) Throughput|Registers Per' "$folder/ncu.txt"
  ;;
*)
  command -v compute-sanitizer >/dev/null || cannot_run "there is no compute-sanitizer"
  # Memory and copies, no kernel: where that fails, it is not the engine that fails.
  sanitize -c 'import numpy as np
from latentknn.engines.cuda_engine import import_cuda
import_cuda()[0].DeviceArray.copy_of(np.ones(3), 0).to_host()' || cannot_run "compute-sanitizer cannot work with this device"
  sanitize tests/cuda_small.py "$scale"
  ;;
esac
