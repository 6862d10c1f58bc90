import type { Part, Row } from '../wire/rows.ts';
import { byLog, select } from './merge.ts';
import { noTotals, PartRows, type Totals } from './part.ts';

/** About what a window takes in memory besides its parts. */
const OVERHEAD = 500;

/** Where a row stands. */
interface Place {
  readonly rows: PartRows;
  readonly place: number;
}

/** The rows of one window. What was computed of them is kept until a row is added. */
export class Window {
  /** Start of the window, in milliseconds since the epoch. */
  readonly start: number;
  readonly seconds: number;
  readonly #parts = new Map<string, PartRows>();
  #newest: PartRows | undefined;
  #bytes = OVERHEAD;
  #fleet: Totals | undefined;
  #one: { readonly unicorn: number; readonly totals: Totals } | undefined;

  constructor(start: number, seconds: number) {
    this.start = start;
    this.seconds = seconds;
  }

  /** About how many bytes of memory it takes. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Adds a row of this window; `false` if it is there already. */
  add(unicorn: number, row: Row): boolean {
    const rows = this.#rowsOf(row.part);
    const before = rows.length === 0 ? 0 : rows.bytes;
    if (!rows.add(unicorn, row)) return false;
    this.#bytes += rows.bytes - before;
    this.#fleet = undefined;
    this.#one = undefined;
    return true;
  }

  /** The totals of all unicorns. */
  fleet(): Totals {
    this.#fleet ??= this.#computeFleet();
    return this.#fleet;
  }

  /** The totals of one unicorn. */
  one(unicorn: number): Totals {
    if (this.#one?.unicorn !== unicorn) this.#one = { unicorn, totals: this.#computeOne(unicorn) };
    return this.#one.totals;
  }

  #rowsOf(part: Part): PartRows {
    // Rows of a part come together.
    if (this.#newest !== undefined && isSamePart(this.#newest.part, part)) return this.#newest;
    const key = `${part.from} ${part.to} ${part.since} ${part.shard}\n${part.stream}`;
    let rows = this.#parts.get(key);
    if (rows === undefined) {
      rows = new PartRows(part);
      this.#parts.set(key, rows);
    }
    this.#newest = rows;
    return rows;
  }

  #computeOne(unicorn: number): Totals {
    const totals = noTotals();
    for (const log of byLog(this.#parts.values())) {
      const places: Place[] = [];
      for (const rows of log) {
        const place = rows.find(unicorn);
        if (place !== undefined) places.push({ rows, place });
      }
      addSelected(totals, places);
    }
    totals.unicorns = totals.readings > 0 ? 1 : 0;
    return totals;
  }

  #computeFleet(): Totals {
    const totals = noTotals();
    const unicorns = new Marks();
    for (const log of byLog(this.#parts.values())) {
      const [only] = log;
      if (log.length === 1 && only !== undefined) addAll(totals, unicorns, only);
      else addSelectedOfAll(totals, unicorns, log);
    }
    totals.unicorns = unicorns.count;
    return totals;
  }
}

/** Adds the rows of a log's only part: they all count. */
function addAll(totals: Totals, unicorns: Marks, rows: PartRows): void {
  for (let place = 0; place < rows.length; place += 1) {
    rows.addTo(totals, place);
    if (rows.readingsAt(place) > 0) unicorns.add(rows.unicornAt(place));
  }
}

/** Adds those rows of a log of several parts that count. */
function addSelectedOfAll(totals: Totals, unicorns: Marks, log: readonly PartRows[]): void {
  for (const [unicorn, places] of placesByUnicorn(log)) {
    const before = totals.readings;
    addSelected(totals, places);
    if (totals.readings > before) unicorns.add(unicorn);
  }
}

/** Adds those rows of one unicorn, window and log that count. */
function addSelected(totals: Totals, places: readonly Place[]): void {
  const candidates = places.map(({ rows, place }) => ({
    part: rows.part,
    readings: rows.readingsAt(place),
    repeats: rows.repeatsAt(place),
  }));
  for (const index of select(candidates).rows) {
    const chosen = places[index];
    chosen?.rows.addTo(totals, chosen.place);
  }
}

function placesByUnicorn(log: readonly PartRows[]): Map<number, Place[]> {
  const places = new Map<number, Place[]>();
  for (const rows of log) {
    for (let place = 0; place < rows.length; place += 1) {
      const unicorn = rows.unicornAt(place);
      const known = places.get(unicorn);
      if (known === undefined) places.set(unicorn, [{ rows, place }]);
      else known.push({ rows, place });
    }
  }
  return places;
}

function isSamePart(one: Part, other: Part): boolean {
  return (
    one.from === other.from &&
    one.to === other.to &&
    one.since === other.since &&
    one.shard === other.shard &&
    one.stream === other.stream
  );
}

/** A set of small numbers. */
class Marks {
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
