#!/usr/bin/env bash
# Repeats the crash tests for hours: ./crash_for_hours.sh PROGRAM [HOURS] [FAULTS per round] [TEST]
# PROGRAM is epic_integration_tests of a release build, TEST the name of one of the tests or a pattern. Each round has a new
# seed. When a round fails, the script keeps its log, which contains the seed, and exits with 1.
set -uo pipefail

program=${1:?usage: crash_for_hours.sh PROGRAM [HOURS] [FAULTS] [TEST]}
[[ -x $program && ! -d $program ]] || { echo "'$program' is not a program" >&2; exit 2; }
hours=${2:-1}
[[ $hours =~ ^[0-9]+$ ]] || { echo "HOURS must be a whole number, not '$hours'" >&2; exit 2; }
faults=${3:-500}
tests=${4:-crash: *}
end=$((SECONDS + hours * 3600))
logs=$(mktemp -d /tmp/epic-crash.XXXXXX)
round=0
while ((SECONDS < end)); do
  round=$((round + 1))
  seed=$((RANDOM * 32768 + RANDOM))
  log=$logs/$seed.log
  if ! EPIC_SEED=$seed EPIC_FAULTS=$faults "$program" "$tests" >"$log" 2>&1; then
    printf 'round %d, EPIC_SEED=%d: a violation; see %s\n' "$round" "$seed" "$log"
    tail -n 30 "$log"
    exit 1
  fi
  printf 'round %d, EPIC_SEED=%d: %s\n' "$round" "$seed" "$(grep ' faults, ' "$log" | paste -sd ';')"
  rm "$log"
done
rmdir "$logs"
