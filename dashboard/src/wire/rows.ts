import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex, utf8ToBytes } from '@noble/hashes/utils.js';

import { EXACT_METRES, formatMetres, parseMetres, toMicrometres } from './distance.ts';
import {
  asName,
  asObject,
  asText,
  type Fields,
  isInt32,
  isInteger,
  isWithin,
  numberText,
  parseObject,
} from './fields.ts';
import { splitLines } from './lines.ts';
import { formatTime, parseTime } from './time.ts';

/** A row: one unicorn's totals for one window, computed from one range of a shard's log. */
export interface Row {
  readonly name: string;
  /** Start of the window, in milliseconds since the epoch. */
  readonly start: number;
  readonly windowSeconds: number;
  /** How many distinct readings the row counts. */
  readonly readings: number;
  /** How many duplicates the source range holds. They are not counted in `readings`. */
  readonly duplicates: number;
  /** `undefined` if the row holds duplicates only. */
  readonly measures: Measures | undefined;
  readonly source: SourceRange;
}

/** Totals of at least one reading. */
export interface Measures {
  /** In micrometres. */
  readonly distance: bigint;
  readonly minMagic: number;
  readonly maxMagic: number;
  readonly minHealth: number;
  readonly maxHealth: number;
}

/**
 * The range of one shard's log that a row was computed from. Bounds are sequence numbers,
 * inclusive.
 */
export interface SourceRange {
  /** The stream's ARN. */
  readonly stream: string;
  readonly shard: string;
  readonly from: string;
  readonly to: string;
  /** The first record whose readings were in the dedup cache; `from` if the row does not say. */
  readonly dedupFrom: string;
}

/** What a record of the summary stream holds. */
export interface RowLines {
  readonly rows: readonly Row[];
  /** How many lines are not valid rows. */
  readonly rejected: number;
}

/** Parses the rows of a record, one per line. */
export function parseRows(data: Uint8Array): RowLines {
  const { lines, rejected } = splitLines(data);
  const rows: Row[] = [];
  let invalid = rejected;
  for (const line of lines) {
    const row = parseRow(line);
    if (row === undefined) invalid += 1;
    else rows.push(row);
  }
  return { rows, rejected: invalid };
}

const HIGHEST_UINT32 = 2 ** 32 - 1;

/** Parses one row; `undefined` if a field is missing or invalid. */
export function parseRow(line: string): Row | undefined {
  const fields = parseObject(line);
  const source = asObject(fields?.['Source']);
  if (fields === undefined || source === undefined) return undefined;
  const name = asName(fields['Name']);
  const statusTime = asText(fields['StatusTime']);
  const start = statusTime === undefined ? undefined : parseTime(statusTime);
  const range = parseRange(source);
  const readings = source['Readings'];
  const duplicates = source['Duplicates'] ?? 0;
  const windowSeconds = source['WindowSeconds'];
  if (name === undefined || start === undefined || range === undefined) return undefined;
  if (!isInteger(windowSeconds, 1, HIGHEST_UINT32) || !isCount(readings) || !isCount(duplicates)) return undefined;
  if (readings === 0 && duplicates === 0) return undefined;
  const measures = readings === 0 ? undefined : parseMeasures(fields, line);
  if (readings > 0 && measures === undefined) return undefined;
  return { name, start, windowSeconds, readings, duplicates, measures, source: range };
}

function parseMeasures(fields: Fields, line: string): Measures | undefined {
  const distance = parseDistance(fields['Distance'], line);
  const minMagic = fields['MinMagicPoints'];
  const maxMagic = fields['MaxMagicPoints'];
  const minHealth = fields['MinHealthPoints'];
  const maxHealth = fields['MaxHealthPoints'];
  if (distance === undefined) return undefined;
  if (!isInt32(minMagic) || !isInt32(maxMagic) || !isInt32(minHealth) || !isInt32(maxHealth)) return undefined;
  return { distance, minMagic, maxMagic, minHealth, maxHealth };
}

function parseDistance(value: unknown, line: string): bigint | undefined {
  if (!isWithin(value, 0, Number.MAX_VALUE)) return undefined;
  if (value < EXACT_METRES) return toMicrometres(value);
  return parseMetres(numberText(line, 'Distance') ?? '');
}

function parseRange(fields: Fields): SourceRange | undefined {
  const stream = asText(fields['Stream']);
  const shard = asText(fields['Shard']);
  const from = asSequenceNumber(fields['From']);
  const to = asSequenceNumber(fields['To']);
  if (stream === undefined || shard === undefined || from === undefined || to === undefined) return undefined;
  if (compareSequenceNumbers(from, to) > 0) return undefined;
  const first = fields['DedupFrom'] ?? undefined;
  if (first === undefined) return { stream, shard, from, to, dedupFrom: from };
  const dedupFrom = asSequenceNumber(first);
  if (dedupFrom === undefined || compareSequenceNumbers(dedupFrom, from) >= 0) return undefined;
  return { stream, shard, from, to, dedupFrom };
}

/** Whether the value is an integer from 0 to the largest that a double holds exactly. */
function isCount(value: unknown): value is number {
  return isInteger(value, 0, Number.MAX_SAFE_INTEGER);
}

/** The value if it is a sequence number: 1 to 129 digits without leading zeros. */
function asSequenceNumber(value: unknown): string | undefined {
  return typeof value === 'string' && /^(?:0|[1-9]\d{0,128})$/.test(value) ? value : undefined;
}

/** Formats a row in the canonical form, in which aggregators write rows. */
export function formatRow(row: Row): string {
  const { measures, source } = row;
  let line = `{"Name":${JSON.stringify(row.name)},"StatusTime":"${formatTime(row.start)}"`;
  if (measures !== undefined) {
    line += `,"Distance":${formatMetres(measures.distance)}`;
    line += `,"MinMagicPoints":${measures.minMagic},"MaxMagicPoints":${measures.maxMagic}`;
    line += `,"MinHealthPoints":${measures.minHealth},"MaxHealthPoints":${measures.maxHealth}`;
  }
  line += `,"Source":{"Stream":${JSON.stringify(source.stream)},"Shard":${JSON.stringify(source.shard)}`;
  line += `,"From":"${source.from}","To":"${source.to}"`;
  if (source.dedupFrom !== source.from) line += `,"DedupFrom":"${source.dedupFrom}"`;
  line += `,"Readings":${row.readings}`;
  if (row.duplicates > 0) line += `,"Duplicates":${row.duplicates}`;
  return `${line},"WindowSeconds":${row.windowSeconds}}}`;
}

/**
 * The hash of a row: the first 8 bytes of the SHA-256 of its canonical form, as 16 hex digits. It
 * does not depend on the form in which the row was received.
 */
export function hashRow(row: Row): string {
  return bytesToHex(sha256(utf8ToBytes(formatRow(row))).subarray(0, 8));
}

/**
 * Compares two sequence numbers: below 0 if `one` comes first, 0 if they are equal.
 *
 * Sequence numbers can exceed 128 bits, so they are compared as text: first by length, then by
 * digits.
 */
export function compareSequenceNumbers(one: string, other: string): number {
  if (one.length !== other.length) return one.length - other.length;
  if (one === other) return 0;
  return one < other ? -1 : 1;
}
