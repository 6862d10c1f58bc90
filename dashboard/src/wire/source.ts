/** What a row says about where it comes from: the fields of `Source`. */

import { asText, type Fields, isInteger } from './fields.ts';

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

/** The source of a row, and what it counts. */
export interface Source {
  readonly range: SourceRange;
  readonly windowSeconds: number;
  /** How many distinct readings the row counts. */
  readonly readings: number;
  /** How many duplicates the source range holds. They are not counted in `readings`. */
  readonly duplicates: number;
}

export const HIGHEST_UINT32 = 2 ** 32 - 1;

/** Parses the fields of `Source`; `undefined` if one is missing or invalid. */
export function parseSource(fields: Fields): Source | undefined {
  const range = parseRange(fields);
  const readings = fields['Readings'];
  const duplicates = fields['Duplicates'] ?? 0;
  const windowSeconds = fields['WindowSeconds'];
  if (range === undefined || !isInteger(windowSeconds, 1, HIGHEST_UINT32)) return undefined;
  if (!isCount(readings) || !isCount(duplicates) || (readings === 0 && duplicates === 0)) return undefined;
  return { range, windowSeconds, readings, duplicates };
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
export function isCount(value: unknown): value is number {
  return isInteger(value, 0, Number.MAX_SAFE_INTEGER);
}

/** The value if it is a sequence number: 1 to 129 digits without leading zeros. */
export function asSequenceNumber(value: unknown): string | undefined {
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
