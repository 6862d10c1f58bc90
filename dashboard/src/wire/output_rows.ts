/** Lines of an output's stream: finished rows of windows, and rows that need no window. */

import { asText, numberText, numberTexts, parseObject } from './fields.ts';

/** What tells rows apart. The row itself is the line. */
export interface OutputRow {
  readonly id: string;
  /** Of several rows with one id, the one with the highest revision counts. 0 if rows have none. */
  readonly revision: bigint;
  /** Whether it says that there is no such row any more. */
  readonly isRemoved: boolean;
}

/** The text for a value that is missing. */
const MISSING = '–';

/** The most characters of a value that are shown. */
const MOST_CHARACTERS = 1_000;

/**
 * Parses a line; `undefined` if it is not a row. Only rows of windows have revisions: elsewhere, a
 * column may be called `Revision`.
 */
export function parseOutputRow(line: string, hasWindows: boolean): OutputRow | undefined {
  const fields = parseObject(line);
  const id = asText(fields?.['RowId']);
  if (fields === undefined || id === undefined || id === '') return undefined;
  if (!hasWindows) return { id, revision: 0n, isRemoved: false };
  const revision = parseRevision(fields['Revision'], line);
  return revision === undefined ? undefined : { id, revision, isRemoved: fields['Removed'] === true };
}

/** An output with windows may have rows without one, too: they have no revision. */
function parseRevision(value: unknown, line: string): bigint | undefined {
  if (value === undefined) return 0n;
  if (typeof value !== 'number') return undefined;
  // A revision has 64 bits, more than a double.
  const text = Number.isSafeInteger(value) ? String(value) : (numberText(line, 'Revision') ?? '');
  return /^\d{1,20}$/.test(text) ? BigInt(text) : undefined;
}

/** A value of a row, for people. */
export interface Cell {
  readonly text: string;
  readonly isNumber: boolean;
}

/** The values of a row's columns; numbers have all their digits. `undefined` if there is no value. */
export function cellsOf(line: string, columns: readonly string[]): (Cell | undefined)[] {
  const fields = parseObject(line) ?? {};
  const numbers = numberTexts(line);
  return columns.map((name) => {
    const value = Object.hasOwn(fields, name) ? fields[name] : undefined;
    if (value === undefined || value === null) return undefined;
    if (typeof value === 'number') return { text: cut(numbers.get(name) ?? String(value)), isNumber: true };
    return { text: cut(typeof value === 'string' ? value : JSON.stringify(value)), isNumber: false };
  });
}

/** The text of a cell. */
export function cellText(cell: Cell | undefined): string {
  return cell?.text ?? MISSING;
}

function cut(text: string): string {
  if (text.length <= MOST_CHARACTERS) return text;
  // A character of two code units stays whole.
  return `${text.slice(0, MOST_CHARACTERS).replace(/[\ud800-\udbff]$/, '')}…`;
}
