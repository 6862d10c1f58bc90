// Passes events to the handler, round by round: run.mjs URL ROUNDS EVENT...
import { readFileSync } from 'node:fs';
import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { DynamoDBDocumentClient } from '@aws-sdk/lib-dynamodb';
import { handler } from './handler.mjs';

const [endpoint, rounds, ...paths] = process.argv.slice(2);
const client = DynamoDBDocumentClient.from(
  new DynamoDBClient({
    endpoint,
    region: 'us-east-1',
    credentials: { accessKeyId: 'local', secretAccessKey: 'local' },
  }),
);
const handle = handler(client, 'UnicornSensorData');
const events = paths.map((path) => readFileSync(path));
for (let round = 0; round < Number(rounds); round += 1) {
  for (const event of events) {
    await handle(JSON.parse(event));
  }
}
client.destroy();
