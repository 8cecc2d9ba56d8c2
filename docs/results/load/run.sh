#!/usr/bin/env bash
# Loads the leader of a cluster that `cargo ringleader dev` started, and prints rates, latencies and
# the CPU time of all three nodes per request. Needs wrk, curl and python3.
#
#   docs/results/load/run.sh [port of node 0, 8000] [its data directory, ringleader-data] [seconds per line, 10]
set -euo pipefail
here="$(dirname "${BASH_SOURCE[0]}")"
port="${1:-8000}"
data="${2:-ringleader-data}"
seconds="${3:-10}"

leader=""
for offset in 0 1 2; do
  role="$(curl -fsS "http://127.0.0.1:$((port + offset))/ringleader/status" | python3 -c 'import json,sys; print(json.load(sys.stdin)["role"])')"
  if [[ "$role" == leader ]]; then leader=$((port + offset)); fi
done
[[ -n "$leader" ]] || { echo "no node leads at port $port and the next two" >&2; exit 1; }

curl -fsS "http://127.0.0.1:$leader/" -H 'X-Amz-Target: DynamoDB_20120810.CreateTable' -H 'Content-Type: application/x-amz-json-1.0' \
  -d '{"TableName":"load","KeySchema":[{"AttributeName":"k","KeyType":"HASH"}],"AttributeDefinitions":[{"AttributeName":"k","AttributeType":"S"}],"BillingMode":"PAY_PER_REQUEST"}' \
  >/dev/null || echo "table load is there already"

# CPU seconds of every node, user and system.
cpu() {
  for process in $(pgrep -f "ringleader serve.*$data/node"); do
    awk '{print $14 + $15}' "/proc/$process/stat"
  done | awk -v hz="$(getconf CLK_TCK)" '{sum += $1} END {print sum / hz}'
}

printf '%-4s %8s %12s %10s %10s %12s\n' what clients per_second p50 p99 cpu_us_each
for what in put get; do
  for clients in 1 16 64 256; do
    before="$(cpu)"
    out="$(wrk -t 1 -c "$clients" -d "${seconds}s" --latency -s "$here/$what.lua" "http://127.0.0.1:$leader/")"
    after="$(cpu)"
    requests="$(sed -n 's/^ *\([0-9]*\) requests in.*/\1/p' <<<"$out")"
    rate="$(sed -n 's/^Requests\/sec: *//p' <<<"$out")"
    p50="$(sed -n 's/^ *50% *//p' <<<"$out")"
    p99="$(sed -n 's/^ *99% *//p' <<<"$out")"
    each="$(awk -v a="$before" -v b="$after" -v n="$requests" 'BEGIN {printf "%.1f", (b - a) * 1e6 / n}')"
    printf '%-4s %8s %12s %10s %10s %12s\n' "$what" "$clients" "$rate" "$p50" "$p99" "$each"
    if grep -q 'Non-2xx' <<<"$out"; then grep 'Non-2xx' <<<"$out"; fi
  done
done
