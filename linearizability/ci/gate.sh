#!/usr/bin/env bash
# Lets a CI job pass only if every history of a directory is legal.
#
#   gate.sh HISTORIES REPORTS
#
# REPORTS gets verdicts.json, verdicts.xml (JUnit) and pages/, one HTML page for each history.
# Ends with lincheck's exit code: 1 if a history is illegal, 2 if a file is no history, 3 if one is
# undecided within a minute. An empty directory is a mistake: exit code 2.
#
# LINCHECK names the program if it is not in the PATH.
set -euo pipefail

histories="${1:?usage: gate.sh HISTORIES REPORTS}"
reports="${2:?usage: gate.sh HISTORIES REPORTS}"

shopt -s nullglob
files=("$histories"/*)
if [[ ${#files[@]} -eq 0 ]]; then
  echo "no histories in $histories" >&2
  exit 2
fi

mkdir -p "$reports"
code=0
"${LINCHECK:-lincheck}" check --timeout 60 --json --junit "$reports/verdicts.xml" \
  --html "$reports/pages" "${files[@]}" >"$reports/verdicts.json" || code=$?

case $code in
  0) echo "all ${#files[@]} histories are legal" ;;
  1) echo "an illegal history: see $reports/pages" >&2 ;;
  2) echo "a file that is no history: see $reports/verdicts.json" >&2 ;;
  3) echo "an undecided history: see $reports/verdicts.json" >&2 ;;
  *) echo "lincheck failed with exit code $code" >&2 ;;
esac
exit "$code"
