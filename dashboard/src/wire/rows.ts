import { asName, asObject, asText, isInt32, isInteger, isWithin, parseObject } from './fields.ts';
import { toMicrometres } from './distance.ts';
import { splitLines } from './lines.ts';
import { parseTime } from './time.ts';

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
  if (fields === undefined) return undefined;
  const name = asName(fields['Name']);
  const timeText = asText(fields['StatusTime']);
  const start = timeText === undefined ? undefined : parseTime(timeText);
  const windowSeconds = fields['WindowSeconds'];
  const readings = fields['Readings'];
  const duplicates = fields['Repeats'] ?? 0;
  const source = parseSource(fields['Part']);
  if (name === undefined || start === undefined || source === undefined) return undefined;
  if (!isInteger(windowSeconds, 1, HIGHEST_UINT32) || !isCount(readings) || !isCount(duplicates)) return undefined;
  if (readings === 0) {
    if (duplicates === 0) return undefined;
    return { name, start, windowSeconds, readings, duplicates, measures: undefined, source };
  }

  const distance = fields['Distance'];
  const minMagic = fields['MinMagicPoints'];
  const maxMagic = fields['MaxMagicPoints'];
  const minHealth = fields['MinHealthPoints'];
  const maxHealth = fields['MaxHealthPoints'];
  if (!isWithin(distance, 0, Number.MAX_VALUE)) return undefined;
  if (!isInt32(minMagic) || !isInt32(maxMagic) || !isInt32(minHealth) || !isInt32(maxHealth)) return undefined;
  const measures = { distance: toMicrometres(distance), minMagic, maxMagic, minHealth, maxHealth };
  return { name, start, windowSeconds, readings, duplicates, measures, source };
}

function parseSource(value: unknown): SourceRange | undefined {
  const fields = asObject(value);
  if (fields === undefined) return undefined;
  const stream = asText(fields['Stream']);
  const shard = asText(fields['Shard']);
  const from = asSequenceNumber(fields['From']);
  const to = asSequenceNumber(fields['To']);
  if (stream === undefined || shard === undefined || from === undefined || to === undefined) return undefined;
  if (compareSequenceNumbers(from, to) > 0) return undefined;
  const since = fields['Since'] ?? undefined;
  if (since === undefined) return { stream, shard, from, to, dedupFrom: from };
  const dedupFrom = asSequenceNumber(since);
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
