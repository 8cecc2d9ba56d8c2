-- wrk script: PutItem of 100-byte values on 10,000 keys of table "load".
local value = string.rep("v", 100)
request = function()
  local body = '{"TableName":"load","Item":{"k":{"S":"key-' .. math.random(0, 9999) .. '"},"d":{"S":"' .. value .. '"}}}'
  return wrk.format("POST", "/", {
    ["Content-Type"] = "application/x-amz-json-1.0",
    ["X-Amz-Target"] = "DynamoDB_20120810.PutItem",
  }, body)
end
