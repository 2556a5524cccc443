#!/usr/bin/env bash
# The proof of the CUDA engine on a machine that has a device: answers, tests, times, kernels, memory errors.
#
#   benchmarks/gpu/run.sh FOLDER [OPTION...]      # FOLDER gets a log and all results; it takes nine minutes at most
#
#   --rest            the remaining cases of the table instead, the most important first
#   --only A,B        some of: small, headline, beside, tests, profile, ncu, memcheck, racecheck, rest
#   --prebuilt DIR    a package that build.sh has made for this Python, from these sources; by default
#                     build/gpu-prebuilt. Where it does not answer, one is built here
#   --beside DIR      another such package, of other sources: the headline is timed in turns with it, and profiled
#   --scale 0.001     a rehearsal at so much smaller sizes, without a device if the package has emulated ones
#
# Needs Python with NumPy, PyTorch, scikit-learn, safetensors, pytest and hypothesis, and to build also pybind11,
# scikit-build-core, nvcc, CMake and Ninja; no network. CuPy is tested and cuVS and FAISS are timed if they are there.
# What was measured stays in FOLDER, and is not measured again. Exit status 0 if every stage has passed.
set -uo pipefail

usage() {
  sed -n '2,/^set/s/^#\( \|$\)//p' "$0" >&2
  exit 2
}

[ $# -ge 1 ] && [[ $1 != -* ]] || usage
folder=$(realpath -m "$1")
shift
only=small,headline,beside,tests,profile,ncu,memcheck,racecheck
prebuilt='' beside='' scale=1
while [ $# -gt 0 ]; do
  case $1 in
  --rest) only=rest ;;
  --only) only=${2-} && shift ;;
  --prebuilt) prebuilt=$(realpath -e "${2-}") && shift || usage ;;
  --beside) beside=$(realpath -e "${2-}") && shift || usage ;;
  --scale) scale=${2-} && shift ;;
  *) usage ;;
  esac
  shift
done
for name in ${only//,/ }; do
  [[ $name =~ ^(small|headline|beside|tests|profile|ncu|memcheck|racecheck|rest)$ ]] || usage
done

cd "$(dirname "$0")/../.."
mkdir -p "$folder"
export PYTHONUNBUFFERED=1
python_path=${PYTHONPATH:+:$PYTHONPATH}
results=(--results "$folder" --scale "$scale")
source benchmarks/gpu/stages.sh

rehearsal() { [ "$scale" != 1 ]; }

# answers STAGE FOLDER: whether the package of a folder can be used; then it is, from now on.
answers() {
  PYTHONPATH=$2$python_path stage "$1" 40 python3 -m benchmarks.gpu.answers || return
  export PYTHONPATH=$2$python_path
}

find_engine() {
  if ! rehearsal; then
    stage device 40 bash -c 'nvidia-smi --query-gpu=name,driver_version,clocks.sm,clocks.max.sm,power.limit --format=csv
      python3 -c "import torch; print(torch.__version__, torch.cuda.get_device_name(), torch.cuda.mem_get_info())"' ||
      return
  fi
  prebuilt=${prebuilt:-build/gpu-prebuilt}
  if [ -d "$prebuilt" ] && answers prebuilt "$(realpath "$prebuilt")"; then return; fi
  if rehearsal; then return 1; fi
  stage build 150 benchmarks/gpu/build.sh build/gpu && answers built "$PWD/build/gpu"
}

run_tests() {
  local chosen='cuda or device or automatic or stream' limits=(-o faulthandler_timeout=45)
  # Sizes and libraries that only a device can cope with.
  if rehearsal; then chosen="($chosen) and not at_size and not other_libraries and not still_computing"; fi
  if python3 -c 'import pytest_timeout' 2>/dev/null; then limits+=(--timeout 60); fi
  stage tests 130 python3 -m pytest -v --tb=short -p no:cacheprovider -o filterwarnings=default "${limits[@]}" \
    --require-cuda -k "$chosen" tests/test_{engines,cuda_engine,device_arrays,automatic_engine}.py
}

run_rest() {
  local dim neighbours rows classes
  for dim in 128 768 64; do
    for neighbours in '10' '100 1000 1'; do
      for rows in 1000000 60000; do
        for classes in 0 1000 100; do
          # shellcheck disable=SC2086 # they are several
          stage "$rows x $dim, $classes classes, k $neighbours" 120 python3 -m benchmarks.gpu.measure "${results[@]}" \
            --rows $rows --dim $dim --classes $classes --neighbours $neighbours
        done
      done
    done
  done
}

main() {
  if find_engine; then
    for name in ${only//,/ }; do
      case $name in
      small) stage small 90 python3 tests/cuda_small.py "$scale" ;;
      headline) stage headline 150 python3 -m benchmarks.gpu.measure "${results[@]}" --compile ;;
      beside)
        if [ -n "$beside" ]; then
          stage beside 60 python3 -m benchmarks.gpu.beside "${results[@]}" --beside "$beside"
        fi
        ;;
      tests) run_tests ;;
      profile)
        stage profile 45 python3 -m benchmarks.gpu.profile "${results[@]}"
        if [ -n "$beside" ]; then
          PYTHONPATH=$beside$python_path stage profile-beside 45 python3 -m benchmarks.gpu.profile "${results[@]}" \
            --name kernels-beside
        fi
        ;;
      ncu) stage ncu 60 benchmarks/gpu/tools.sh ncu "$scale" "$folder" ;;
      memcheck) stage memcheck 90 benchmarks/gpu/tools.sh memcheck "$scale" ;;
      racecheck) stage racecheck 245 benchmarks/gpu/tools.sh racecheck "$scale" "$folder" ;;
      rest) run_rest ;;
      esac
    done
    if [ -f "$folder/gpu.json" ]; then timeout 20 python3 -m benchmarks.gpu.tables --results "$folder"; fi
  fi
  summarise
}

exec > >(tee -a "$folder/log.txt") 2>&1
log=$!
main
status=$?
exec >&- 2>&-
wait "$log" # until all is written
exit "$status"
