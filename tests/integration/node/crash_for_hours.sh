#!/usr/bin/env bash
# The crash test for as long as you like: ./crash_for_hours.sh PROGRAM [HOURS] [FAULTS a round]
# PROGRAM is epic_integration_tests of a release build. Each round has a seed of its own; the log of a round that fails is
# kept, with the seed in it, and the script ends with 1.
set -uo pipefail

program=${1:?usage: crash_for_hours.sh PROGRAM [HOURS] [FAULTS]}
[[ -x $program && ! -d $program ]] || { echo "'$program' is no program" >&2; exit 2; }
hours=${2:-1}
[[ $hours =~ ^[0-9]+$ ]] || { echo "HOURS is a whole number, not '$hours'" >&2; exit 2; }
faults=${3:-500}
end=$((SECONDS + hours * 3600))
logs=$(mktemp -d /tmp/epic-crash.XXXXXX)
round=0
while ((SECONDS < end)); do
  round=$((round + 1))
  seed=$((RANDOM * 32768 + RANDOM))
  log=$logs/$seed.log
  if ! EPIC_SEED=$seed EPIC_FAULTS=$faults "$program" "crash: what a client*" >"$log" 2>&1; then
    printf 'round %d, EPIC_SEED=%d: a violation; see %s\n' "$round" "$seed" "$log"
    tail -n 30 "$log"
    exit 1
  fi
  printf 'round %d, EPIC_SEED=%d: %s\n' "$round" "$seed" "$(grep ' faults, ' "$log")"
  rm "$log"
done
rmdir "$logs"
