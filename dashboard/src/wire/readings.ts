import type { Readings } from '../protocol.ts';
import { grown } from './columns.ts';
import { asName, type Fields, isInt32, isWithin, numberText, parseObject } from './fields.ts';
import { splitLines } from './lines.ts';
import type { Names } from './names.ts';
import { parseTime, parseTimeNumber } from './time.ts';

/** The maximum distance of a reading, in metres: micrometres in a signed 64-bit integer. */
const MAX_DISTANCE = 9_223_372_036_854.775;

const FIRST_CAPACITY = 1024;

/** Collects readings in columns that grow as needed. */
export class ReadingColumns {
  readonly #names: Names;
  #firstNew: number;
  #length = 0;
  #unicorn = new Uint32Array(FIRST_CAPACITY);
  #time = new Float64Array(FIRST_CAPACITY);
  #arrival = new Float64Array(FIRST_CAPACITY);
  #latitude = new Float64Array(FIRST_CAPACITY);
  #longitude = new Float64Array(FIRST_CAPACITY);
  #distance = new Float64Array(FIRST_CAPACITY);
  #health = new Int32Array(FIRST_CAPACITY);
  #magic = new Int32Array(FIRST_CAPACITY);

  /** `names` numbers the unicorns. */
  constructor(names: Names) {
    this.#names = names;
    this.#firstNew = names.size;
  }

  /** How many readings are collected. */
  get length(): number {
    return this.#length;
  }

  /**
   * Adds the readings of a record that arrived at `arrival`, in milliseconds since the epoch.
   *
   * Returns how many of its lines were rejected: invalid ones, and those whose names exceed the
   * limit.
   */
  add(data: Uint8Array, arrival: number): number {
    const { lines, rejected } = splitLines(data);
    let invalid = rejected;
    for (const line of lines) {
      const fields = parseObject(line);
      if (fields === undefined || !this.#addReading(fields, line, arrival)) invalid += 1;
    }
    return invalid;
  }

  /** Returns the collected readings in new buffers, and starts empty. */
  take(): Readings {
    const length = this.#length;
    const firstNew = this.#firstNew;
    this.#length = 0;
    this.#firstNew = this.#names.size;
    return {
      kind: 'readings',
      newNames: this.#names.from(firstNew),
      firstNew,
      unicorn: this.#unicorn.slice(0, length),
      time: this.#time.slice(0, length),
      arrival: this.#arrival.slice(0, length),
      latitude: this.#latitude.slice(0, length),
      longitude: this.#longitude.slice(0, length),
      distance: this.#distance.slice(0, length),
      health: this.#health.slice(0, length),
      magic: this.#magic.slice(0, length),
    };
  }

  #addReading(fields: Fields, line: string, arrival: number): boolean {
    const name = asName(fields['Name']);
    const time = timeOf(fields['StatusTime'], line);
    const latitude = degrees(fields['Latitude'], 90);
    const longitude = degrees(fields['Longitude'], 180);
    const distance = fields['Distance'];
    const magic = fields['MagicPoints'];
    const health = fields['HealthPoints'];
    if (name === undefined || time === undefined || latitude === undefined || longitude === undefined) return false;
    if (!isWithin(distance, 0, MAX_DISTANCE) || !isInt32(magic) || !isInt32(health)) return false;
    const unicorn = this.#names.number(name);
    if (unicorn === undefined) return false;

    if (this.#length === this.#unicorn.length) this.#grow();
    const index = this.#length;
    this.#unicorn[index] = unicorn;
    this.#time[index] = time;
    this.#arrival[index] = arrival;
    this.#latitude[index] = latitude;
    this.#longitude[index] = longitude;
    this.#distance[index] = distance;
    this.#health[index] = health;
    this.#magic[index] = magic;
    this.#length += 1;
    return true;
  }

  #grow(): void {
    const capacity = this.#unicorn.length * 2;
    this.#unicorn = grown(this.#unicorn, new Uint32Array(capacity));
    this.#time = grown(this.#time, new Float64Array(capacity));
    this.#arrival = grown(this.#arrival, new Float64Array(capacity));
    this.#latitude = grown(this.#latitude, new Float64Array(capacity));
    this.#longitude = grown(this.#longitude, new Float64Array(capacity));
    this.#distance = grown(this.#distance, new Float64Array(capacity));
    this.#health = grown(this.#health, new Int32Array(capacity));
    this.#magic = grown(this.#magic, new Int32Array(capacity));
  }
}

/** The buffers of `readings`, to be transferred to the page. */
export function buffersOf(readings: Readings): ArrayBuffer[] {
  const { unicorn, time, arrival, latitude, longitude, distance, health, magic } = readings;
  return [unicorn, time, arrival, latitude, longitude, distance, health, magic].map((column) => column.buffer);
}

/** A time in milliseconds since the epoch; `undefined` if it is missing or invalid. */
function timeOf(value: unknown, line: string): number | undefined {
  if (typeof value === 'string') return parseTime(value);
  // JSON.parse rounds numbers.
  return typeof value === 'number' ? parseTimeNumber(numberText(line, 'StatusTime') ?? '') : undefined;
}

/** A coordinate in degrees: NaN if it is missing, `undefined` if it is invalid. */
function degrees(value: unknown, limit: number): number | undefined {
  if (value === undefined || value === null) return Number.NaN;
  return isWithin(value, -limit, limit) ? value : undefined;
}
