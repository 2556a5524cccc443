# Stages of a long programme; to be sourced. A stage that fails or hangs costs only itself.
#
#   stage NAME SECONDS COMMAND...   runs a command, for at most so many seconds; returns its exit status
#   summarise                       prints how every stage ended; returns 1 if one failed
#
# All stages together take at most `time_for_stages` seconds: the last ones get what is left, or are left out.

time_for_stages=540
grace=5 # seconds from asking a stage to end to killing it
cannot_run_here=77 # the exit status of a stage that lacks something; it has not failed
ended=()
any_failed=0

# note NAME SECONDS OUTCOME: remembers a line of the summary.
note() {
  printf -v "ended[${#ended[@]}]" '%-45s %4d s  %s' "$1" "$2" "$3"
}

stage() {
  local name=$1 limit=$2 began=$SECONDS status=0 left=$((time_for_stages - SECONDS))
  shift 2
  if ((left < limit)); then limit=$left; fi
  if ((limit < 1)); then
    note "$name" 0 "left out: no time was left"
    any_failed=1
    return 1
  fi
  printf '\n== %s, at most %d s\n' "$name" "$limit"
  # In the background, so that a signal to this script is not kept waiting until the stage ends.
  timeout --kill-after="$grace" "$limit" "$@" &
  local running=$!
  trap 'kill "$running"; exit 130' INT TERM
  wait "$running" || status=$?
  trap - INT TERM
  local seconds=$((SECONDS - began))
  if ((status == 0)); then
    note "$name" "$seconds" passed
  elif ((status == cannot_run_here)); then
    note "$name" "$seconds" "cannot run here"
  else
    any_failed=1
    if ((status == 124 || (status == 137 && seconds >= limit))); then
      note "$name" "$seconds" "FAILED: ended at its limit of $limit s"
    else
      note "$name" "$seconds" "FAILED: exit status $status"
    fi
  fi
  return "$status"
}

summarise() {
  printf '\n== summary\n'
  printf '%s\n' "${ended[@]}"
  return "$any_failed"
}
