import type { Names } from '../wire/names.ts';
import type { Row, SourceRange } from '../wire/rows.ts';
import { byLog, type LogRow, select } from './merge.ts';
import { noTotals, SourceRows, type Totals } from './source_rows.ts';

/** Approximate memory per window besides its sources, in bytes. */
const OVERHEAD = 500;

/** The location of a row. */
interface Location {
  readonly rows: SourceRows;
  readonly index: number;
}

/** The rows of one window. Computed totals are cached until a row is added. */
export class Window {
  /** Start of the window, in milliseconds since the epoch. */
  readonly start: number;
  readonly seconds: number;
  readonly #names: Names;
  readonly #sources = new Map<string, SourceRows>();
  #newest: SourceRows | undefined;
  #bytes = OVERHEAD;
  #fleet: Totals | undefined;
  #one: { readonly unicorn: number; readonly totals: Totals } | undefined;

  /** Starts without rows. `names` number the unicorns. */
  constructor(start: number, seconds: number, names: Names) {
    this.start = start;
    this.seconds = seconds;
    this.#names = names;
  }

  /** Approximate memory use in bytes. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Adds a row of this window; `false` if it is known. */
  add(unicorn: number, row: Row): boolean {
    const rows = this.#rowsOf(row.source);
    const before = rows.length === 0 ? 0 : rows.bytes;
    if (!rows.add(unicorn, row)) return false;
    this.#bytes += rows.bytes - before;
    this.#fleet = undefined;
    this.#one = undefined;
    return true;
  }

  /** The totals over all unicorns. */
  fleet(): Totals {
    this.#fleet ??= this.#computeFleet();
    return this.#fleet;
  }

  /** The totals of one unicorn. */
  one(unicorn: number): Totals {
    if (this.#one?.unicorn !== unicorn) this.#one = { unicorn, totals: this.#computeOne(unicorn) };
    return this.#one.totals;
  }

  #rowsOf(source: SourceRange): SourceRows {
    // Consecutive rows usually have the same source.
    if (this.#newest !== undefined && isSameSource(this.#newest.source, source)) return this.#newest;
    const key = `${source.from} ${source.to} ${source.dedupFrom} ${source.shard}\n${source.stream}`;
    let rows = this.#sources.get(key);
    if (rows === undefined) {
      rows = new SourceRows(source, this.#names, this.start, this.seconds);
      this.#sources.set(key, rows);
    }
    this.#newest = rows;
    return rows;
  }

  #computeOne(unicorn: number): Totals {
    const totals = noTotals();
    for (const log of byLog(this.#sources.values())) {
      const locations: Location[] = [];
      for (const rows of log) {
        for (const index of rows.find(unicorn)) locations.push({ rows, index });
      }
      addSelected(totals, locations);
    }
    totals.unicorns = totals.readings > 0 ? 1 : 0;
    return totals;
  }

  #computeFleet(): Totals {
    const totals = noTotals();
    const unicorns = new NumberSet();
    for (const log of byLog(this.#sources.values())) {
      const [only] = log;
      if (log.length === 1 && only?.isUnique) addAll(totals, unicorns, only);
      else addSelectedOfAll(totals, unicorns, log);
    }
    totals.unicorns = unicorns.count;
    return totals;
  }
}

/** Adds the rows of a log with a single source: they all count. */
function addAll(totals: Totals, unicorns: NumberSet, rows: SourceRows): void {
  for (let index = 0; index < rows.length; index += 1) {
    rows.addTo(totals, index);
    if (rows.readingsAt(index) > 0) unicorns.add(rows.unicornAt(index));
  }
}

/** Adds the rows that count in a log with several sources. */
function addSelectedOfAll(totals: Totals, unicorns: NumberSet, log: readonly SourceRows[]): void {
  for (const [unicorn, locations] of locationsByUnicorn(log)) {
    const before = totals.readings;
    addSelected(totals, locations);
    if (totals.readings > before) unicorns.add(unicorn);
  }
}

/** Adds the rows that count among those of one unicorn, window and log. */
function addSelected(totals: Totals, locations: readonly Location[]): void {
  const selection = select(locations.map(toLogRow));
  totals.gap ||= selection.gap;
  for (const selected of selection.rows) {
    const chosen = locations[selected];
    chosen?.rows.addTo(totals, chosen.index);
  }
}

function toLogRow({ rows, index }: Location): LogRow {
  return {
    source: rows.source,
    readings: rows.readingsAt(index),
    duplicates: rows.duplicatesAt(index),
    hash: () => rows.hashAt(index),
  };
}

function locationsByUnicorn(log: readonly SourceRows[]): Map<number, Location[]> {
  const locations = new Map<number, Location[]>();
  for (const rows of log) {
    for (let index = 0; index < rows.length; index += 1) {
      const unicorn = rows.unicornAt(index);
      const known = locations.get(unicorn);
      if (known === undefined) locations.set(unicorn, [{ rows, index }]);
      else known.push({ rows, index });
    }
  }
  return locations;
}

function isSameSource(one: SourceRange, other: SourceRange): boolean {
  return (
    one.from === other.from &&
    one.to === other.to &&
    one.dedupFrom === other.dedupFrom &&
    one.shard === other.shard &&
    one.stream === other.stream
  );
}

/** A set of small integers that counts its members. */
class NumberSet {
  #marks = new Uint8Array(1024);
  count = 0;

  add(number: number): void {
    if (number >= this.#marks.length) {
      const larger = new Uint8Array(Math.max(number + 1, this.#marks.length * 2));
      larger.set(this.#marks);
      this.#marks = larger;
    }
    if (this.#marks[number] === 1) return;
    this.#marks[number] = 1;
    this.count += 1;
  }
}
