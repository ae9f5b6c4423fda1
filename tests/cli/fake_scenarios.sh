#!/bin/sh
# A test program as 'epic simulate' drives one, with scenarios whose seeds end as the tests in simulate_test.cpp need it.
# It takes the seeds from EPIC_SIMULATE, and reports to EPIC_SIMULATE_REPORT.

scenarios='bank: money is moved, not made
bank: opens
chat: crashes
dice: differs each time
slow: takes its time
kills: epic'

if [ "$1" = --list-test-names-only ]; then
  echo "$scenarios"
  case $2 in *scenario*) ;; *) echo 'ledger: a plain test' ;; esac
  exit 0
fi

field() { echo "$EPIC_SIMULATE" | sed -n "s/.*\"$1\":\([0-9]*\).*/\1/p"; }
first=$(field first)
end=$((first + $(field seeds)))
faults=,0,1,2,3,4,5,6,7,
case $EPIC_SIMULATE in *'"faults":['*) faults=",$(echo "$EPIC_SIMULATE" | sed 's/.*"faults":\[\([0-9,]*\).*/\1/')," ;; esac

listed=  # as the reports have them, once for all seeds
for number in $(echo "$faults" | tr , ' '); do
  listed="$listed${listed:+,}{\"number\":$number,\"at_ms\":$((1204 + number * 1500)),\"what\":\"node-2 pauses for 400 ms\"}"
done
digits=$(echo "$faults" | tr -d ,)

# report SEED DIGEST FAILURE: one line about a seed
report() {
  printf '{"seed":%d,"digest":"%s","events":900,"calls":200,"simulated_ms":30000,"faults":[%s],"failure":"%s",' \
    "$1" "$2" "$listed" "$3" >> "$EPIC_SIMULATE_REPORT"
  if [ -n "$3" ]; then
    printf '"where":"bank_test.cpp:41","entity":"Account/3","history":["1.204 s  client-1 calls Account/3.withdraw(5)",' \
      >> "$EPIC_SIMULATE_REPORT"
    printf '"1.310 s  Account/3 answers client-1"]}\n' >> "$EPIC_SIMULATE_REPORT"
  else
    printf '"where":"","entity":"","history":[]}\n' >> "$EPIC_SIMULATE_REPORT"
  fi
}

seed=$first
while [ $seed -lt $end ]; do
  failure=
  digest="5eed$seed$digits"
  case $1 in
    *moved*) case $seed$faults in 7*,2,*5,*) failure='the sum is 990, not 1000' ;; esac ;;
    *crashes*) if [ $seed = 3 ]; then echo 'Assertion failed: room'; kill -SEGV $$; fi ;;
    *differs*) digest=$$; failure='the die shows a six' ;;
    *kills*) kill -KILL $PPID ;;
    *takes*) if [ $seed -gt 1 ]; then sleep 1.3; fi ;;
  esac
  report $seed "$digest" "$failure"
  [ -z "$failure" ] || exit 1
  seed=$((seed + 1))
done
