// The driver of the SDK for JavaScript, with its default settings: Kinesis over HTTP/2 with prior knowledge, the rest
// over HTTP/1.1. Takes the endpoint's URL. `wire.py` describes what it reads and prints.

import { createInterface } from "node:readline";
import * as dynamodb from "@aws-sdk/client-dynamodb";
import * as firehose from "@aws-sdk/client-firehose";
import * as kinesis from "@aws-sdk/client-kinesis";
import * as sts from "@aws-sdk/client-sts";

const endpoint = process.argv[2];
const services = {
    kinesis: [kinesis, new kinesis.KinesisClient({ endpoint })],
    firehose: [firehose, new firehose.FirehoseClient({ endpoint })],
    dynamodb: [dynamodb, new dynamodb.DynamoDBClient({ endpoint })],
    sts: [sts, new sts.STSClient({ endpoint })],
};
const subscriptions = [];

async function call({ service, operation, arguments: input }) {
    if (operation === "ReadSubscription") {
        return readSubscription(input);
    }
    const [commands, client] = services[service];
    const { $metadata, ...answer } = await client.send(new commands[`${operation}Command`](input));
    if (operation === "SubscribeToShard") {
        subscriptions.push(answer.EventStream[Symbol.asyncIterator]());
        return { Subscription: subscriptions.length - 1 };
    }
    return answer;
}

// Reads events until they have this many records, or to the end, and returns all of them as one.
async function readSubscription({ Subscription, Records, ToEnd }) {
    let gathered = { Records: [] };
    while (ToEnd || gathered.Records.length < Records) {
        const { done, value } = await subscriptions[Subscription].next();
        if (done) {
            break;
        }
        const event = value.SubscribeToShardEvent;
        const children = event.ChildShards ?? gathered.ChildShards;
        gathered = { ...event, Records: [...gathered.Records, ...event.Records], ChildShards: children };
    }
    return gathered;
}

function fromWire(_key, value) {
    if (value?.$blob !== undefined) {
        return Buffer.from(value.$blob, "base64");
    }
    return value?.$time === undefined ? value : new Date(value.$time);
}

// `JSON.stringify` turns dates and buffers into something else before a replacer sees them.
function toWire(value) {
    if (value instanceof Uint8Array) {
        return { $blob: Buffer.from(value).toString("base64") };
    }
    if (value instanceof Date) {
        return { $time: value.getTime() };
    }
    if (Array.isArray(value)) {
        return value.map(toWire);
    }
    if (value !== null && typeof value === "object") {
        return Object.fromEntries(Object.entries(value).map(([key, part]) => [key, toWire(part)]));
    }
    return value;
}

for await (const line of createInterface({ input: process.stdin, crlfDelay: Infinity })) {
    let answer;
    try {
        answer = { answer: toWire(await call(JSON.parse(line, fromWire))) };
    } catch (error) {
        answer = { error: error.name, message: error.message };
    }
    process.stdout.write(`${JSON.stringify(answer)}\n`);
}
// Open connections must not keep the process.
process.exit();
