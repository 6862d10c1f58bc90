import { asName, asObject, asText, isInt32, isInteger, isWithin, parseObject } from './fields.ts';
import { toMicrometres } from './distance.ts';
import { splitLines } from './lines.ts';
import { parseTime } from './time.ts';

/** A row: the fold of one unicorn's readings of one window in one part of a shard's log. */
export interface Row {
  readonly name: string;
  /** Start of the window, in milliseconds since the epoch. */
  readonly start: number;
  readonly windowSeconds: number;
  /** How many distinct readings are in the row. */
  readonly readings: number;
  /** How many more the part holds that were sent before and are left out. */
  readonly repeats: number;
  /** None for a row that only says that there were repeats. */
  readonly figures: Figures | undefined;
  readonly part: Part;
}

/** The figures of at least one reading. */
export interface Figures {
  /** In micrometres. */
  readonly distance: bigint;
  readonly minMagic: number;
  readonly maxMagic: number;
  readonly minHealth: number;
  readonly maxHealth: number;
}

/** The run of one shard's log that a row is the fold of; the places are sequence numbers. */
export interface Part {
  readonly stream: string;
  readonly shard: string;
  readonly from: string;
  readonly to: string;
  /** The first record whose readings were remembered; `from` where the row says nothing else. */
  readonly since: string;
}

/** What a record of the summary stream holds. */
export interface RowLines {
  readonly rows: readonly Row[];
  /** How many lines were wrong. */
  readonly rejected: number;
}

/** Reads the rows of a record, one a line. */
export function parseRows(data: Uint8Array): RowLines {
  const { lines, rejected } = splitLines(data);
  const rows: Row[] = [];
  let wrong = rejected;
  for (const line of lines) {
    const row = parseRow(line);
    if (row === undefined) wrong += 1;
    else rows.push(row);
  }
  return { rows, rejected: wrong };
}

const HIGHEST_UINT32 = 2 ** 32 - 1;

/** Reads one row; `undefined` if a field is missing or wrong. */
export function parseRow(line: string): Row | undefined {
  const fields = parseObject(line);
  if (fields === undefined) return undefined;
  const name = asName(fields['Name']);
  const timeText = asText(fields['StatusTime']);
  const start = timeText === undefined ? undefined : parseTime(timeText);
  const windowSeconds = fields['WindowSeconds'];
  const readings = fields['Readings'];
  const repeats = fields['Repeats'] ?? 0;
  const part = parsePart(fields['Part']);
  if (name === undefined || start === undefined || part === undefined) return undefined;
  if (!isInteger(windowSeconds, 1, HIGHEST_UINT32) || !isCount(readings) || !isCount(repeats)) return undefined;
  if (readings === 0) {
    if (repeats === 0) return undefined;
    return { name, start, windowSeconds, readings, repeats, figures: undefined, part };
  }

  const distance = fields['Distance'];
  const minMagic = fields['MinMagicPoints'];
  const maxMagic = fields['MaxMagicPoints'];
  const minHealth = fields['MinHealthPoints'];
  const maxHealth = fields['MaxHealthPoints'];
  if (!isWithin(distance, 0, Number.MAX_VALUE)) return undefined;
  if (!isInt32(minMagic) || !isInt32(maxMagic) || !isInt32(minHealth) || !isInt32(maxHealth)) return undefined;
  const figures = { distance: toMicrometres(distance), minMagic, maxMagic, minHealth, maxHealth };
  return { name, start, windowSeconds, readings, repeats, figures, part };
}

function parsePart(value: unknown): Part | undefined {
  const fields = asObject(value);
  if (fields === undefined) return undefined;
  const stream = asText(fields['Stream']);
  const shard = asText(fields['Shard']);
  const from = asPosition(fields['From']);
  const to = asPosition(fields['To']);
  if (stream === undefined || shard === undefined || from === undefined || to === undefined) return undefined;
  if (comparePositions(from, to) > 0) return undefined;
  const told = fields['Since'] ?? undefined;
  if (told === undefined) return { stream, shard, from, to, since: from };
  const since = asPosition(told);
  if (since === undefined || comparePositions(since, from) >= 0) return undefined;
  return { stream, shard, from, to, since };
}

/** Up to what a double counts one by one. */
function isCount(value: unknown): value is number {
  return isInteger(value, 0, Number.MAX_SAFE_INTEGER);
}

/** The value if it is a sequence number: 1 to 129 digits without leading zeros. */
function asPosition(value: unknown): string | undefined {
  return typeof value === 'string' && /^(?:0|[1-9]\d{0,128})$/.test(value) ? value : undefined;
}

/**
 * The order of two sequence numbers: below 0 if `one` comes first, 0 if they are equal.
 *
 * They are compared by length and then as text, which is the order of the numbers; they can pass 128 bits.
 */
export function comparePositions(one: string, other: string): number {
  if (one.length !== other.length) return one.length - other.length;
  if (one === other) return 0;
  return one < other ? -1 : 1;
}
