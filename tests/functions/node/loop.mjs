// A function that counts the records of a tumbling window in its state, with its own loop over
// Lambda's Runtime API.
const api = `http://${process.env.AWS_LAMBDA_RUNTIME_API}/2018-06-01/runtime`;

function handle(event) {
  const state = event.state ?? {};
  for (const record of event.Records) {
    const data = JSON.parse(Buffer.from(record.kinesis.data, "base64"));
    state[data.unicorn] = (state[data.unicorn] ?? 0) + 1;
  }
  return { state };
}

for (;;) {
  const next = await fetch(`${api}/invocation/next`);
  const invocation = `${api}/invocation/${next.headers.get("lambda-runtime-aws-request-id")}`;
  let path = "response";
  let answer;
  try {
    answer = handle(await next.json());
  } catch (error) {
    path = "error";
    answer = { errorType: error.name, errorMessage: error.message };
  }
  await fetch(`${invocation}/${path}`, { method: "POST", body: JSON.stringify(answer) });
}
