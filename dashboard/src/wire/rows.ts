/** Rows of any sensor: their text, their key and their hash. Mirrors `windrow_core::row`. */

import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex, utf8ToBytes } from '@noble/hashes/utils.js';

import { anyNumber, type MeasureColumn, type Schema } from '../schema.ts';
import { formatDecimal } from './decimal.ts';
import { asObject, asText, type Fields, isInteger, numberText, parseObject } from './fields.ts';
import { splitLines } from './lines.ts';
import { finish, isAverage, isOrdered, type Measure } from './measures.ts';
import { asSequenceNumber, HIGHEST_UINT32, isCount, parseSource, type SourceRange } from './source.ts';
import { formatTime, parseExactTime, parseTime } from './time.ts';
import { formatValue, parseValue, type Value } from './values.ts';

/** A row: the totals of one key and window, computed from one range of a shard's log. */
export interface Row {
  /** The values of the key's columns. */
  readonly key: readonly Value[];
  /** Start of the window, in milliseconds since the epoch. */
  readonly start: number;
  readonly windowSeconds: number;
  /** How many distinct readings the row counts. */
  readonly readings: number;
  /** How many duplicates the source range holds. They are not counted in `readings`. */
  readonly duplicates: number;
  /** One per column; `undefined` if the row holds duplicates only. */
  readonly measures: readonly Measure[] | undefined;
  readonly source: SourceRange;
}

/** What a record of the summary stream holds. */
export interface RowLines {
  readonly rows: readonly Row[];
  /** How many lines are not valid rows. */
  readonly rejected: number;
}

/**
 * Parses the rows of a record, one per line. Watermarks, which aggregators send into the same stream,
 * are left out.
 */
export function parseRows(schema: Schema, data: Uint8Array): RowLines {
  const { lines, rejected } = splitLines(data);
  const rows: Row[] = [];
  let invalid = rejected;
  for (const line of lines) {
    const row = parseRow(schema, line);
    if (row !== undefined) rows.push(row);
    else if (!isWatermark(line)) invalid += 1;
  }
  return { rows, rejected: invalid };
}

/** Whether a line says how far the rows of a shard are complete. Mirrors `windrow_core::row::ShardWatermark`. */
function isWatermark(line: string): boolean {
  // No line of a row has an object in its first field.
  if (!line.startsWith('{"Watermark":{')) return false;
  const { Stream: stream, Shard: shard, Through: through } = asObject(parseObject(line)?.['Watermark']) ?? {};
  const time = asText(through);
  return asText(stream) !== undefined && asText(shard) !== undefined && time !== undefined && parseTime(time) !== undefined;
}

/** Parses one row; `undefined` if a field is missing or invalid. */
export function parseRow(schema: Schema, line: string): Row | undefined {
  const fields = parseObject(line);
  const sourceFields = asObject(fields?.['Source']);
  if (fields === undefined || sourceFields === undefined) return undefined;
  const time = asText(fields[schema.time]);
  const start = time === undefined ? undefined : parseTime(time);
  const source = parseSource(sourceFields);
  if (start === undefined || source === undefined) return undefined;
  const key: Value[] = [];
  for (const { name, type, nullable } of schema.key) {
    const value = parseValue(type, fields[name], () => numberText(line, name));
    if (value === undefined || (value === null && !nullable)) return undefined;
    key.push(value);
  }
  const { windowSeconds, readings, duplicates, range } = source;
  const measures = readings === 0 ? undefined : parseMeasures(schema, fields, sourceFields, line);
  if (readings > 0 && measures === undefined) return undefined;
  return { key, start, windowSeconds, readings, duplicates, measures, source: range };
}

function parseMeasures(schema: Schema, fields: Fields, source: Fields, line: string): Measure[] | undefined {
  const parts = asObject(source['Parts']);
  const measures: Measure[] = [];
  for (const column of schema.measures) {
    const { name, type, nullable } = column;
    const value = parseValue(type, fields[name], () => numberText(line, name));
    if (value === undefined || (value === null && !nullable)) return undefined;
    const measure = parseMeasure(column, value, asObject(parts?.[name]), line);
    if (measure === undefined) return undefined;
    measures.push(measure);
  }
  return measures;
}

/**
 * The measure with the finished `value` and the `parts` of the column in `Source.Parts`; `undefined`
 * if the parts are invalid or contradict the value.
 */
function parseMeasure(column: MeasureColumn, value: Value, parts: Fields | undefined, line: string): Measure | undefined {
  switch (column.kind) {
    case 'sum':
    case 'min':
    case 'max':
      return value;
    case 'first':
    case 'last':
      return value === null ? null : parseOrdered(value, parts);
    case 'average': {
      const average = parseAverage(column, parts, line);
      return average !== undefined && finish(column, average) === value ? average : undefined;
    }
  }
}

function parseAverage({ name, of }: MeasureColumn, parts: Fields | undefined, line: string): Measure | undefined {
  if (of.kind !== 'number') return undefined;
  const text = (): string | undefined => numberText(line, 'Source', 'Parts', name, 'Sum');
  const sum = parseValue(anyNumber(of.scale), parts?.['Sum'], text);
  const count = parts?.['Count'];
  if ((typeof sum !== 'number' && typeof sum !== 'bigint') || !isCount(count)) return undefined;
  return { sum, count };
}

function parseOrdered(value: Value, parts: Fields | undefined): Measure | undefined {
  const sequenceNumber = asSequenceNumber(parts?.['SequenceNumber']);
  const index = parts?.['Index'];
  const text = asText(parts?.['Time']);
  const time = text === undefined ? undefined : parseExactTime(text);
  if (sequenceNumber === undefined || time === undefined || !isInteger(index, 0, HIGHEST_UINT32)) return undefined;
  return { value, sequenceNumber, index, time };
}

/** Formats a row in the canonical form, in which aggregators write rows. */
export function formatRow(schema: Schema, row: Row): string {
  const { measures, source } = row;
  const fields: string[] = [];
  const parts: string[] = [];
  schema.key.forEach(({ name, type }, index) => {
    const value = row.key[index] ?? null;
    if (value !== null) fields.push(`${JSON.stringify(name)}:${formatValue(type, value)}`);
  });
  fields.push(`${JSON.stringify(schema.time)}:"${formatTime(row.start)}"`);
  measures?.forEach((measure, index) => {
    const column = schema.measures[index];
    if (column === undefined) return;
    const name = JSON.stringify(column.name);
    const value = finish(column, measure);
    if (value !== null) fields.push(`${name}:${formatValue(column.type, value)}`);
    if (isAverage(measure)) {
      const sum = formatDecimal(measure.sum, column.of.kind === 'number' ? column.of.scale : 0);
      parts.push(`${name}:{"Sum":${sum},"Count":${measure.count}}`);
    } else if (isOrdered(measure)) {
      const { sequenceNumber, index: place, time } = measure;
      parts.push(`${name}:{"SequenceNumber":"${sequenceNumber}","Index":${place},"Time":"${time}"}`);
    }
  });
  let from = `"Source":{"Stream":${JSON.stringify(source.stream)},"Shard":${JSON.stringify(source.shard)}`;
  from += `,"From":"${source.from}","To":"${source.to}"`;
  if (source.dedupFrom !== source.from) from += `,"DedupFrom":"${source.dedupFrom}"`;
  from += `,"Readings":${row.readings}`;
  if (row.duplicates > 0) from += `,"Duplicates":${row.duplicates}`;
  from += `,"WindowSeconds":${row.windowSeconds}`;
  if (parts.length > 0) from += `,"Parts":{${parts.join()}}`;
  return `{${fields.join()},${from}}}`;
}

/** The key as text: the JSON array of its columns, which the table has as its partition attribute. */
export function keyText(schema: Schema, key: readonly Value[]): string {
  return `[${schema.key.map(({ type }, index) => formatValue(type, key[index] ?? null)).join()}]`;
}

/**
 * The hash of a row: the first 8 bytes of the SHA-256 of its canonical form, as 16 hex digits. It
 * does not depend on the form in which the row was received.
 */
export function hashRow(schema: Schema, row: Row): string {
  return bytesToHex(sha256(utf8ToBytes(formatRow(schema, row))).subarray(0, 8));
}
