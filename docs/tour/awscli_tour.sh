#!/usr/bin/env bash
# The tour of the README with the AWS CLI: create a table, put, get, a refused condition, delete.
#
# Usage: awscli_tour.sh [ENDPOINT]
# The endpoint is the argument, or RINGLEADER_ENDPOINT, or http://127.0.0.1:8000.
# A command in TOUR_MIDDLE runs after the put: it may kill a node, and all must go on as before.
# Exits with 0 when every answer is as expected.
set -euo pipefail

endpoint="${1:-${RINGLEADER_ENDPOINT:-http://127.0.0.1:8000}}"
# A name of its own, so that the script can run many times on one cluster.
table="songs-$$-$RANDOM"

# Settings of the user's account stay out of it. One attempt: a write that timed out may have
# happened, and whether to ask again is for us to decide.
export AWS_ACCESS_KEY_ID=any AWS_SECRET_ACCESS_KEY=any AWS_DEFAULT_REGION=local
export AWS_CONFIG_FILE=/dev/null AWS_SHARED_CREDENTIALS_FILE=/dev/null
export AWS_MAX_ATTEMPTS=1 AWS_PAGER=""
unset AWS_PROFILE AWS_SESSION_TOKEN

ddb() { aws dynamodb "$@" --endpoint-url "$endpoint" --output json --cli-read-timeout 10; }
fail() { echo "awscli tour: $*" >&2; exit 1; }
has() { [[ "$1" == *"$2"* ]] || fail "expected $2 in: $1"; }

ddb create-table --table-name "$table" \
  --attribute-definitions AttributeName=artist,AttributeType=S \
  --key-schema AttributeName=artist,KeyType=HASH \
  --billing-mode PAY_PER_REQUEST >/dev/null
ddb wait table-exists --table-name "$table"
echo "created $table at $endpoint"

key='{"artist": {"S": "Nina Simone"}}'
ddb put-item --table-name "$table" \
  --item '{"artist": {"S": "Nina Simone"}, "song": {"S": "Sinnerman"}, "minutes": {"N": "10"}}'
bash -c "${TOUR_MIDDLE:-:}"
got="$(ddb get-item --table-name "$table" --key "$key" --consistent-read)"
has "$got" '"Sinnerman"'
echo "put and got the song"

if refusal="$(ddb put-item --table-name "$table" --item "$key" \
  --condition-expression 'attribute_not_exists(artist)' 2>&1)"; then
  fail "a put under a condition that does not hold was accepted"
fi
has "$refusal" ConditionalCheckFailedException
echo "refused as it should be: ConditionalCheckFailedException"

old="$(ddb delete-item --table-name "$table" --key "$key" --return-values ALL_OLD)"
has "$old" '"Sinnerman"'
got="$(ddb get-item --table-name "$table" --key "$key" --consistent-read)"
[[ "$got" != *Sinnerman* ]] || fail "the item is still there: $got"
echo "deleted the song"
echo "awscli tour: ok"
