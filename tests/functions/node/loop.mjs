// Sums the distances of unicorns per tumbling window, and writes the sums to a table when the window
// ends, with its own loop over Lambda's Runtime API.
const api = `http://${process.env.AWS_LAMBDA_RUNTIME_API}/2018-06-01/runtime`;
const table = process.env.TABLE;

async function handle(event) {
  const state = event.state ?? {};
  const sums = (state.sums ??= {});
  for (const record of event.Records) {
    const reading = JSON.parse(Buffer.from(record.kinesis.data, "base64"));
    sums[reading.Name] = (sums[reading.Name] ?? 0) + reading.Distance;
  }
  if (event.isFinalInvokeForWindow && table) {
    for (const [name, distance] of Object.entries(sums)) {
      await put({
        Function: { S: "Node" },
        // The same item if the end of the window is delivered again.
        Window: { S: `${event.window.start}/${event.shardId}/${name}` },
        Name: { S: name },
        Distance: { N: String(distance) },
      });
    }
  }
  return { state };
}

// Without an SDK, and so without a signature, which the local cloud does not check.
async function put(item) {
  const response = await fetch(process.env.AWS_ENDPOINT_URL, {
    method: "POST",
    headers: {
      "content-type": "application/x-amz-json-1.0",
      "x-amz-target": "DynamoDB_20120810.PutItem",
      "x-amz-date": "20260101T000000Z",
      authorization:
        "AWS4-HMAC-SHA256 Credential=local/20260101/us-east-1/dynamodb/aws4_request, " +
        "SignedHeaders=host;x-amz-date, Signature=0",
    },
    body: JSON.stringify({ TableName: table, Item: item }),
  });
  if (!response.ok) {
    throw new Error(`PutItem: ${response.status} ${await response.text()}`);
  }
}

for (;;) {
  const next = await fetch(`${api}/invocation/next`);
  const invocation = `${api}/invocation/${next.headers.get("lambda-runtime-aws-request-id")}`;
  let path = "response";
  let answer;
  try {
    answer = await handle(await next.json());
  } catch (error) {
    path = "error";
    answer = { errorType: error.name, errorMessage: error.message };
  }
  await fetch(`${invocation}/${path}`, { method: "POST", body: JSON.stringify(answer) });
}
