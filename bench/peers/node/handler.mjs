// Writes a batch of rows to DynamoDB like the original application: decodes every record's base64 as
// ASCII, parses each line with JSON.parse and puts it unchanged, sends all chunks of 25 concurrently, and
// retries unprocessed items after 50 * 2^attempt ms.
import { BatchWriteCommand } from '@aws-sdk/lib-dynamodb';

const CHUNK = 25;

export function handler(client, tableName) {
  const write = async (requests, attempt = 0) => {
    const command = new BatchWriteCommand({ RequestItems: { [tableName]: requests } });
    const { UnprocessedItems: unprocessed } = await client.send(command);
    const rest = unprocessed?.[tableName] ?? [];
    if (rest.length === 0) {
      return;
    }
    await new Promise((resolve) => setTimeout(resolve, 50 * 2 ** attempt));
    await write(rest, attempt + 1);
  };

  return async (event) => {
    const requests = event.Records.flatMap((record) => {
      const text = Buffer.from(record.kinesis.data, 'base64').toString('ascii');
      const lines = text.split('\n').filter((line) => line !== '');
      return lines.map((line) => ({ PutRequest: { Item: JSON.parse(line) } }));
    });
    const chunks = [];
    for (let start = 0; start < requests.length; start += CHUNK) {
      chunks.push(requests.slice(start, start + CHUNK));
    }
    await Promise.all(chunks.map((chunk) => write(chunk)));
  };
}
