/**
 * What the page knows of every unicorn: numbers in columns, a row a unicorn, so that ten thousand are taken in without
 * making an object for any.
 *
 * Times are milliseconds on the page's own clock (`performance.now()`), unless said otherwise.
 */

import type { Readings } from '../protocol.ts';
import { mercatorX, mercatorY, metresPerUnit } from './mercator.ts';
import { Trails } from './trails.ts';

/** A unicorn without readings for this long fades out. */
export const SILENT_MILLIS = 30_000;
/** How long it takes to fade. */
export const FADE_MILLIS = 2_000;
/** Vitals below this are marked. */
export const LOW_VITALS = 100;

const SHORTEST_GLIDE_MILLIS = 200;
const LONGEST_GLIDE_MILLIS = 3_000;
/** A unicorn that is farther away than its distance says was started anew elsewhere. */
const JUMP_METRES = 200;
/** So many unicorns share a second of trail. */
const UNICORNS_A_TRAIL_SECOND = 1_000;

/** What is shown of one unicorn. */
export interface Sighting {
  readonly name: string;
  /** Metres a second; NaN until there are two readings. */
  readonly speed: number;
  readonly health: number;
  readonly magic: number;
  /** Degrees; NaN where it never said where it is. */
  readonly latitude: number;
  readonly longitude: number;
  /** StatusTime, in milliseconds since the epoch. */
  readonly statusTime: number;
  /** Milliseconds since it was heard. */
  readonly silence: number;
}

export class Fleet {
  size = 0;
  readonly names: string[] = [];
  /** Near where the first unicorn was seen; what is drawn is given from here, since 32 bits are too coarse for a world. */
  origin: readonly [number, number] | undefined;
  /** From the origin, in Web Mercator. */
  readonly trails = new Trails();
  /** Whether markers glide, or jump from reading to reading. */
  glides = true;

  statusTime = new Float64Array(0);
  heardAt = new Float64Array(0);
  latitude = new Float64Array(0);
  longitude = new Float64Array(0);
  speed = new Float64Array(0);
  health = new Int32Array(0);
  magic = new Int32Array(0);
  /** The glide that is under way or over: from where, to where (Web Mercator), since when and how long. */
  fromX = new Float64Array(0);
  fromY = new Float64Array(0);
  toX = new Float64Array(0);
  toY = new Float64Array(0);
  glideStart = new Float64Array(0);
  glideMillis = new Float64Array(0);
  /** Where the trail's last piece ends; the marker pulls the rest behind it. */
  tailX = new Float64Array(0);
  tailY = new Float64Array(0);
  private tailAt = new Float64Array(0);
  /** Metres in the readings that are being taken in. */
  private moved = new Float64Array(0);
  /** Which unicorns the readings at hand are of, and in which call it was last seen. */
  private seenIn = new Uint32Array(0);
  private call = 0;
  private newestArrival = -Infinity;

  /** Takes in readings that reach the page at `now`. */
  apply(readings: Readings, now: number): void {
    this.welcome(readings);
    this.call += 1;
    const heard: number[] = [];
    for (const arrival of readings.arrival) {
      this.newestArrival = Math.max(this.newestArrival, arrival);
    }
    for (let index = 0; index < readings.unicorn.length; index += 1) {
      const unicorn = readings.unicorn[index] ?? 0;
      const time = readings.time[index] ?? 0;
      // Kinesis may say a thing twice, and an old thing late.
      if (unicorn >= this.size || time <= at(this.statusTime, unicorn)) continue;
      if (this.seenIn[unicorn] !== this.call) {
        this.seenIn[unicorn] = this.call;
        this.moved[unicorn] = 0;
        heard.push(unicorn);
      }
      this.takeIn(readings, index, unicorn, now);
    }
    for (const unicorn of heard) this.move(unicorn, now);
  }

  /** Where a unicorn is drawn at `now`, in Web Mercator; NaN where it never said. */
  position(unicorn: number, now: number): readonly [number, number] {
    const part = Math.min(1, Math.max(0, (now - at(this.glideStart, unicorn)) / at(this.glideMillis, unicorn)));
    const fromX = at(this.fromX, unicorn);
    const fromY = at(this.fromY, unicorn);
    return [fromX + (at(this.toX, unicorn) - fromX) * part, fromY + (at(this.toY, unicorn) - fromY) * part];
  }

  /** How strongly a unicorn is drawn: 1 while it is heard, 0 once it has faded out. */
  opacity(unicorn: number, now: number): number {
    const faded = now - at(this.heardAt, unicorn) - SILENT_MILLIS;
    return Math.min(1, Math.max(0, 1 - faded / FADE_MILLIS));
  }

  isSilent(unicorn: number, now: number): boolean {
    return now - at(this.heardAt, unicorn) >= SILENT_MILLIS;
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
      silence: now - at(this.heardAt, unicorn),
    };
  }

  private takeIn(readings: Readings, index: number, unicorn: number, now: number): void {
    const time = readings.time[index] ?? 0;
    const distance = readings.distance[index] ?? 0;
    const seconds = (time - at(this.statusTime, unicorn)) / 1000;
    if (Number.isFinite(seconds)) this.speed[unicorn] = distance / seconds;
    this.statusTime[unicorn] = time;
    // By the stream's clock, which need not be the page's: what lay there for a while was said a while ago.
    const age = this.newestArrival - (readings.arrival[index] ?? 0);
    this.heardAt[unicorn] = Math.max(at(this.heardAt, unicorn), now - age);
    this.health[unicorn] = readings.health[index] ?? 0;
    this.magic[unicorn] = readings.magic[index] ?? 0;
    this.moved[unicorn] = at(this.moved, unicorn) + distance;
    const latitude = readings.latitude[index] ?? NaN;
    const longitude = readings.longitude[index] ?? NaN;
    if (Number.isNaN(latitude) || Number.isNaN(longitude)) return;
    this.latitude[unicorn] = latitude;
    this.longitude[unicorn] = longitude;
  }

  /** Starts the glide to where the unicorn is now. */
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
    const pause = (this.size / UNICORNS_A_TRAIL_SECOND) * 1000;
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

  /** Makes room for unicorns that were not heard before. */
  private welcome(readings: Readings): void {
    const size = readings.firstNew + readings.newNames.length;
    if (size <= this.size) return;
    readings.newNames.forEach((name, index) => {
      this.names[readings.firstNew + index] = name;
    });
    if (size > this.statusTime.length) this.grow(Math.max(64, size, this.statusTime.length * 2));
    this.size = size;
  }

  private grow(capacity: number): void {
    const grown = (old: Float64Array<ArrayBuffer>, empty: number) => {
      const column = new Float64Array(capacity).fill(empty);
      column.set(old);
      return column;
    };
    this.statusTime = grown(this.statusTime, -Infinity);
    this.heardAt = grown(this.heardAt, -Infinity);
    this.latitude = grown(this.latitude, NaN);
    this.longitude = grown(this.longitude, NaN);
    this.speed = grown(this.speed, NaN);
    this.fromX = grown(this.fromX, NaN);
    this.fromY = grown(this.fromY, NaN);
    this.toX = grown(this.toX, NaN);
    this.toY = grown(this.toY, NaN);
    this.glideStart = grown(this.glideStart, -Infinity);
    this.glideMillis = grown(this.glideMillis, 1);
    this.tailX = grown(this.tailX, NaN);
    this.tailY = grown(this.tailY, NaN);
    this.tailAt = grown(this.tailAt, 0);
    this.moved = grown(this.moved, 0);
    const whole = (old: Int32Array) => {
      const column = new Int32Array(capacity);
      column.set(old);
      return column;
    };
    this.health = whole(this.health);
    this.magic = whole(this.magic);
    const seenIn = new Uint32Array(capacity);
    seenIn.set(this.seenIn);
    this.seenIn = seenIn;
  }
}

/** A number of a column; callers keep within the fleet's size. */
function at(column: Float64Array, index: number): number {
  return column[index] ?? NaN;
}
