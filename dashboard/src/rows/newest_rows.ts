import { type Cell, cellsOf, cellText, type OutputRow } from '../wire/output_rows.ts';

/** The maximum number of rows, and of bytes that they take. */
export const MAX_ROWS = 1_000;
export const MAX_BYTES = 16 * 1024 * 1024;

/** How many more rows there may be until the oldest are dropped, which takes a sort. */
const SLACK_ROWS = 250;

/** Approximate memory per row besides its line and its id, in bytes. */
const OVERHEAD = 400;

/** For how long a row is counted after its arrival, in seconds. */
const COUNTED_SECONDS = 60;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

interface Kept {
  /** When the record arrived that had the row first, in milliseconds since the epoch. */
  readonly arrival: number;
  /** The number of the row, in the order in which rows were read. */
  readonly order: number;
  revision: bigint;
  /** The line, in bytes, since a text may keep the whole record in memory. None if it was removed. */
  line: Uint8Array | undefined;
  bytes: number;
}

/** A part of the rows. */
export interface RowsPart {
  readonly cells: readonly (readonly string[])[];
  /** Which columns have numbers. */
  readonly numbers: readonly boolean[];
}

/**
 * The newest rows of an output, by the arrival of their records.
 *
 * A row that is written again replaces the one before in its place, if its revision is higher. What
 * is known of older rows is dropped: one that is written again later is new.
 */
export class NewestRows {
  readonly #rows = new Map<string, Kept>();
  readonly #maxBytes: number;
  #bytes = 0;
  #read = 0;
  #isCut = false;
  #newestFirst: readonly Kept[] | undefined;
  /** How many rows arrived in each of the last seconds. */
  readonly #arrivals = new Map<number, number>();

  constructor(maxBytes = MAX_BYTES) {
    this.#maxBytes = maxBytes;
  }

  /** How many rows there are. */
  get size(): number {
    return this.#list().length;
  }

  /** Whether older rows were dropped. */
  get isCut(): boolean {
    return this.#isCut;
  }

  /** Approximate memory use in bytes. */
  get bytes(): number {
    return this.#bytes;
  }

  /**
   * Adds the row of a line, whose record arrived at `arrival`. Returns whether it changed anything: it
   * does not if the row is known in this revision or in a higher one.
   */
  add(row: OutputRow, line: string, arrival: number, now: number): boolean {
    const known = this.#rows.get(row.id);
    if (known !== undefined && known.revision >= row.revision) return false;
    const bytes = row.isRemoved ? undefined : encoder.encode(line);
    const kept = known ?? { arrival, order: this.#read, revision: 0n, line: undefined, bytes: 0 };
    this.#read += 1;
    this.#rows.set(row.id, kept);
    this.#bytes -= kept.bytes;
    kept.revision = row.revision;
    kept.line = bytes;
    kept.bytes = OVERHEAD + 2 * row.id.length + (bytes?.length ?? 0);
    this.#bytes += kept.bytes;
    this.#newestFirst = undefined;
    if (!row.isRemoved) this.#count(arrival, now);
    if (this.#rows.size > MAX_ROWS + SLACK_ROWS || this.#bytes > this.#maxBytes) this.#drop();
    return true;
  }

  /** How many rows arrived in the minute before `now`. */
  perMinute(now: number): number {
    let sum = 0;
    for (const [second, count] of this.#arrivals) {
      if (second <= secondOf(now) - COUNTED_SECONDS) this.#arrivals.delete(second);
      else sum += count;
    }
    return sum;
  }

  /** The values of `columns` of `count` rows from `first`, newest first. */
  part(columns: readonly string[], first: number, count: number): RowsPart {
    const rows = this.#list().slice(first, first + count);
    const cells = rows.map(({ line }) => cellsOf(decoder.decode(line), columns));
    return {
      cells: cells.map((row) => row.map(cellText)),
      numbers: columns.map((_, column) => isNumeric(cells, column)),
    };
  }

  #list(): readonly Kept[] {
    this.#newestFirst ??= this.#inOrder()
      .filter(([, { line }]) => line !== undefined)
      .slice(0, MAX_ROWS)
      .map(([, row]) => row);
    return this.#newestFirst;
  }

  #inOrder(): [string, Kept][] {
    return [...this.#rows].sort(([, one], [, other]) => other.arrival - one.arrival || other.order - one.order);
  }

  #count(arrival: number, now: number): void {
    // The page's clock may be behind.
    const second = secondOf(Math.min(arrival, now));
    if (second <= secondOf(now) - COUNTED_SECONDS) return;
    this.#arrivals.set(second, (this.#arrivals.get(second) ?? 0) + 1);
  }

  /** Drops the oldest rows. Leaves some bytes free, since this takes a sort. */
  #drop(): void {
    const mostBytes = this.#bytes > this.#maxBytes ? 0.8 * this.#maxBytes : this.#maxBytes;
    const oldest = this.#inOrder();
    while (oldest.length > MAX_ROWS || this.#bytes > mostBytes) {
      const dropped = oldest.pop();
      if (dropped === undefined) return;
      const [id, { bytes, line }] = dropped;
      this.#rows.delete(id);
      this.#bytes -= bytes;
      this.#isCut ||= line !== undefined;
    }
  }
}

function secondOf(millis: number): number {
  return Math.floor(millis / 1000);
}

/** Whether a column has numbers, and nothing else. */
function isNumeric(rows: readonly (readonly (Cell | undefined)[])[], column: number): boolean {
  const cells = rows.flatMap((row) => row[column] ?? []);
  return cells.length > 0 && cells.every(({ isNumber }) => isNumber);
}
