-- wrk script: GetItem on 10,000 keys of table "load".
request = function()
  local body = '{"TableName":"load","Key":{"k":{"S":"key-' .. math.random(0, 9999) .. '"}}}'
  return wrk.format("POST", "/", {
    ["Content-Type"] = "application/x-amz-json-1.0",
    ["X-Amz-Target"] = "DynamoDB_20120810.GetItem",
  }, body)
end
