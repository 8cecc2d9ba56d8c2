// The AWS SDK for JavaScript, once through the calls that everybody uses: node smoke.mjs ENDPOINT
import assert from "node:assert/strict";
import {
  ConditionalCheckFailedException,
  CreateTableCommand,
  DeleteTableCommand,
  DynamoDBClient,
  GetItemCommand,
  PutItemCommand,
  QueryCommand,
  TransactWriteItemsCommand,
  UpdateItemCommand,
} from "@aws-sdk/client-dynamodb";

const client = new DynamoDBClient({
  endpoint: process.argv[2],
  region: "local",
  credentials: { accessKeyId: "any", secretAccessKey: "any" },
});
const TableName = "javascript";
const Key = { id: { S: "a" }, n: { N: "1" } };

await client.send(
  new CreateTableCommand({
    TableName,
    BillingMode: "PAY_PER_REQUEST",
    AttributeDefinitions: [
      { AttributeName: "id", AttributeType: "S" },
      { AttributeName: "n", AttributeType: "N" },
    ],
    KeySchema: [
      { AttributeName: "id", KeyType: "HASH" },
      { AttributeName: "n", KeyType: "RANGE" },
    ],
  }),
);
const bytes = new Uint8Array([0, 255]);
await client.send(new PutItemCommand({ TableName, Item: { ...Key, b: { B: bytes } } }));
const condition = { ConditionExpression: "attribute_not_exists(id)" };
await assert.rejects(
  client.send(new PutItemCommand({ TableName, Item: Key, ...condition })),
  ConditionalCheckFailedException,
);
const updated = await client.send(
  new UpdateItemCommand({
    TableName,
    Key,
    UpdateExpression: "ADD v :one",
    ExpressionAttributeValues: { ":one": { N: "1" } },
    ReturnValues: "UPDATED_NEW",
  }),
);
assert.deepEqual(updated.Attributes, { v: { N: "1" } });
const Item = { id: { S: "a" }, n: { N: "2" } };
await client.send(new TransactWriteItemsCommand({ TransactItems: [{ Put: { TableName, Item } }] }));
const found = await client.send(
  new QueryCommand({
    TableName,
    KeyConditionExpression: "id = :a",
    ExpressionAttributeValues: { ":a": { S: "a" } },
    ConsistentRead: true,
  }),
);
assert.equal(found.Count, 2);
const read = await client.send(new GetItemCommand({ TableName, Key, ConsistentRead: true }));
assert.deepEqual([...read.Item.b.B], [0, 255]);
await client.send(new DeleteTableCommand({ TableName }));
console.log("ok");
