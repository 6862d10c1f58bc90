/**
 * The state of every unicorn, in columns of numbers indexed by unicorn, so that ten thousand
 * readings need no object allocations.
 *
 * Times are milliseconds on the page's own clock (`performance.now()`) unless stated otherwise.
 */

import type { Readings } from '../protocol.ts';
import { mercatorX, mercatorY, metresPerUnit } from './mercator.ts';
import { Trails } from './trails.ts';

/** A unicorn without readings for this long is silent, and is dimmed. */
export const SILENT_MILLIS = 30_000;
/** How long the dimming takes. */
export const FADE_MILLIS = 2_000;
/** The opacity of a silent unicorn. */
export const SILENT_OPACITY = 0.35;
/** Vitals below this are highlighted. */
export const LOW_VITALS = 100;

const SHORTEST_GLIDE_MILLIS = 200;
const LONGEST_GLIDE_MILLIS = 3_000;
/**
 * A unicorn that moved farther than this, and than three times its reported distance, was restarted
 * elsewhere.
 */
const JUMP_METRES = 200;
/** The interval between a unicorn's trail segments is one second per this many unicorns. */
const UNICORNS_PER_TRAIL_SECOND = 1_000;

/** What the card shows of one unicorn. */
export interface Sighting {
  readonly name: string;
  /** Metres per second; NaN until there are two readings. */
  readonly speed: number;
  readonly health: number;
  readonly magic: number;
  /** Degrees; NaN if its location is unknown. */
  readonly latitude: number;
  readonly longitude: number;
  /** StatusTime, in milliseconds since the epoch. */
  readonly statusTime: number;
  /** Milliseconds since its last reading. */
  readonly silence: number;
  readonly isSilent: boolean;
}

/** All unicorns, by number. */
export class Fleet {
  size = 0;
  readonly names: string[] = [];
  /**
   * The first unicorn's first location. Drawn coordinates are relative to it: 32-bit floats are too
   * coarse for the whole world.
   */
  origin: readonly [number, number] | undefined;
  /** In Web Mercator, relative to the origin. */
  readonly trails = new Trails();
  /** Whether markers glide from reading to reading; otherwise they jump. */
  glides = true;
  /** Since when the page gets no readings from anyone: no unicorn falls silent after this time. */
  frozenAt = Infinity;

  statusTime = new Float64Array(0);
  lastReadingAt = new Float64Array(0);
  latitude = new Float64Array(0);
  longitude = new Float64Array(0);
  speed = new Float64Array(0);
  health = new Int32Array(0);
  magic = new Int32Array(0);
  /** The current or last glide: its ends (Web Mercator), start and duration. */
  fromX = new Float64Array(0);
  fromY = new Float64Array(0);
  toX = new Float64Array(0);
  toY = new Float64Array(0);
  glideStart = new Float64Array(0);
  glideMillis = new Float64Array(0);
  /** Where the trail's last segment ends. The tail connects it to the marker. */
  tailX = new Float64Array(0);
  tailY = new Float64Array(0);
  private tailAt = new Float64Array(0);
  /** Metres flown in the current batch of readings. */
  private moved = new Float64Array(0);
  /** The last batch that had a reading of the unicorn. */
  private lastBatch = new Uint32Array(0);
  private batch = 0;
  private newestArrival = -Infinity;

  /** Applies a batch of readings that reach the page at `now`. */
  apply(readings: Readings, now: number): void {
    this.addUnicorns(readings);
    this.batch += 1;
    const updated: number[] = [];
    for (const arrival of readings.arrival) {
      this.newestArrival = Math.max(this.newestArrival, arrival);
    }
    for (let index = 0; index < readings.unicorn.length; index += 1) {
      const unicorn = readings.unicorn[index] ?? 0;
      const time = readings.time[index] ?? 0;
      // Kinesis may deliver duplicates and late readings.
      if (unicorn >= this.size || time <= at(this.statusTime, unicorn)) continue;
      if (this.lastBatch[unicorn] !== this.batch) {
        this.lastBatch[unicorn] = this.batch;
        this.moved[unicorn] = 0;
        updated.push(unicorn);
      }
      this.applyReading(readings, index, unicorn, now);
    }
    for (const unicorn of updated) this.move(unicorn, now);
  }

  /** Where a unicorn is drawn at `now`, in Web Mercator; NaN if its location is unknown. */
  position(unicorn: number, now: number): readonly [number, number] {
    const progress = Math.min(1, Math.max(0, (now - at(this.glideStart, unicorn)) / at(this.glideMillis, unicorn)));
    const fromX = at(this.fromX, unicorn);
    const fromY = at(this.fromY, unicorn);
    return [fromX + (at(this.toX, unicorn) - fromX) * progress, fromY + (at(this.toY, unicorn) - fromY) * progress];
  }

  /** A unicorn's opacity: 1 while it sends readings, {@link SILENT_OPACITY} once it is silent. */
  opacity(unicorn: number, now: number): number {
    const faded = (this.judgedAt(now) - at(this.lastReadingAt, unicorn) - SILENT_MILLIS) / FADE_MILLIS;
    return 1 - (1 - SILENT_OPACITY) * Math.min(1, Math.max(0, faded));
  }

  isSilent(unicorn: number, now: number): boolean {
    return this.judgedAt(now) - at(this.lastReadingAt, unicorn) >= SILENT_MILLIS;
  }

  /** The time up to which it is known who sends readings. */
  judgedAt(now: number): number {
    return Math.min(now, this.frozenAt);
  }

  /** The lower of health and magic. */
  vitals(unicorn: number): number {
    return Math.min(this.health[unicorn] ?? 0, this.magic[unicorn] ?? 0);
  }

  sighting(unicorn: number, now: number): Sighting {
    return {
      name: this.names[unicorn] ?? '',
      speed: at(this.speed, unicorn),
      health: this.health[unicorn] ?? 0,
      magic: this.magic[unicorn] ?? 0,
      latitude: at(this.latitude, unicorn),
      longitude: at(this.longitude, unicorn),
      statusTime: at(this.statusTime, unicorn),
      silence: now - at(this.lastReadingAt, unicorn),
      isSilent: this.isSilent(unicorn, now),
    };
  }

  private applyReading(readings: Readings, index: number, unicorn: number, now: number): void {
    const time = readings.time[index] ?? 0;
    const distance = readings.distance[index] ?? 0;
    const seconds = (time - at(this.statusTime, unicorn)) / 1000;
    if (Number.isFinite(seconds)) this.speed[unicorn] = distance / seconds;
    this.statusTime[unicorn] = time;
    // The age by the stream's clock, which may differ from the page's.
    const age = this.newestArrival - (readings.arrival[index] ?? 0);
    this.lastReadingAt[unicorn] = Math.max(at(this.lastReadingAt, unicorn), now - age);
    this.health[unicorn] = readings.health[index] ?? 0;
    this.magic[unicorn] = readings.magic[index] ?? 0;
    this.moved[unicorn] = at(this.moved, unicorn) + distance;
    const latitude = readings.latitude[index] ?? NaN;
    const longitude = readings.longitude[index] ?? NaN;
    if (Number.isNaN(latitude) || Number.isNaN(longitude)) return;
    this.latitude[unicorn] = latitude;
    this.longitude[unicorn] = longitude;
  }

  /** Starts the glide to the unicorn's new location. */
  private move(unicorn: number, now: number): void {
    const latitude = at(this.latitude, unicorn);
    if (Number.isNaN(latitude)) return;
    const x = mercatorX(at(this.longitude, unicorn));
    const y = mercatorY(latitude);
    this.origin ??= [x, y];
    const [shownX, shownY] = this.position(unicorn, now);
    const metres = Math.hypot(x - at(this.toX, unicorn), y - at(this.toY, unicorn)) * metresPerUnit(y);
    const jumps = !(metres <= Math.max(JUMP_METRES, 3 * at(this.moved, unicorn)));
    const pause = now - at(this.glideStart, unicorn);

    this.fromX[unicorn] = jumps || !this.glides ? x : shownX;
    this.fromY[unicorn] = jumps || !this.glides ? y : shownY;
    this.toX[unicorn] = x;
    this.toY[unicorn] = y;
    this.glideStart[unicorn] = now;
    this.glideMillis[unicorn] = Math.min(LONGEST_GLIDE_MILLIS, Math.max(SHORTEST_GLIDE_MILLIS, pause));
    if (jumps) {
      this.tailX[unicorn] = x;
      this.tailY[unicorn] = y;
      this.tailAt[unicorn] = now;
    } else {
      this.drawTrail(unicorn, shownX, shownY, now);
    }
  }

  private drawTrail(unicorn: number, x: number, y: number, now: number): void {
    const pause = (this.size / UNICORNS_PER_TRAIL_SECOND) * 1000;
    if (now - at(this.tailAt, unicorn) < pause) return;
    const tailX = at(this.tailX, unicorn);
    const tailY = at(this.tailY, unicorn);
    if (tailX === x && tailY === y) return;
    const [originX, originY] = this.origin ?? [0, 0];
    this.trails.add(unicorn, tailX - originX, tailY - originY, x - originX, y - originY, now);
    this.tailX[unicorn] = x;
    this.tailY[unicorn] = y;
    this.tailAt[unicorn] = now;
  }

  /** Adds the new unicorns, and grows the columns if needed. */
  private addUnicorns(readings: Readings): void {
    const size = readings.firstNew + readings.newNames.length;
    if (size <= this.size) return;
    readings.newNames.forEach((name, index) => {
      this.names[readings.firstNew + index] = name;
    });
    if (size > this.statusTime.length) this.grow(Math.max(64, size, this.statusTime.length * 2));
    this.size = size;
  }

  private grow(capacity: number): void {
    const grownFloats = (old: Float64Array<ArrayBuffer>, empty: number) => {
      const column = new Float64Array(capacity).fill(empty);
      column.set(old);
      return column;
    };
    this.statusTime = grownFloats(this.statusTime, -Infinity);
    this.lastReadingAt = grownFloats(this.lastReadingAt, -Infinity);
    this.latitude = grownFloats(this.latitude, NaN);
    this.longitude = grownFloats(this.longitude, NaN);
    this.speed = grownFloats(this.speed, NaN);
    this.fromX = grownFloats(this.fromX, NaN);
    this.fromY = grownFloats(this.fromY, NaN);
    this.toX = grownFloats(this.toX, NaN);
    this.toY = grownFloats(this.toY, NaN);
    this.glideStart = grownFloats(this.glideStart, -Infinity);
    this.glideMillis = grownFloats(this.glideMillis, 1);
    this.tailX = grownFloats(this.tailX, NaN);
    this.tailY = grownFloats(this.tailY, NaN);
    this.tailAt = grownFloats(this.tailAt, 0);
    this.moved = grownFloats(this.moved, 0);
    const grownInts = (old: Int32Array) => {
      const column = new Int32Array(capacity);
      column.set(old);
      return column;
    };
    this.health = grownInts(this.health);
    this.magic = grownInts(this.magic);
    const lastBatch = new Uint32Array(capacity);
    lastBatch.set(this.lastBatch);
    this.lastBatch = lastBatch;
  }
}

/** A value of a column. `index` must be within the fleet's size. */
function at(column: Float64Array, index: number): number {
  return column[index] ?? NaN;
}
