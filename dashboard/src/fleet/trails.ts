/**
 * The trails of all unicorns: a ring buffer of line segments, in which the newest overwrite the
 * oldest. It bounds the memory: the larger the fleet, the shorter its trails.
 */
export class Trails {
  /**
   * Numbers per segment: x and y of both ends, its time (seconds since the ring's epoch), its
   * unicorn.
   */
  static readonly STRIDE = 6;

  readonly data: Float32Array<ArrayBuffer>;
  readonly capacity: number;
  /** How many segments it holds. */
  size = 0;
  /** The index of the next segment. */
  private next = 0;
  /** The ring's epoch, in milliseconds on the page's clock. */
  private epoch = 0;
  private dirty: [number, number][] = [];

  constructor(capacity = 65_536) {
    this.capacity = capacity;
    this.data = new Float32Array(capacity * Trails.STRIDE);
  }

  /** Adds a segment flown until `now` (milliseconds on the page's clock). */
  add(unicorn: number, fromX: number, fromY: number, toX: number, toY: number, now: number): void {
    this.keepPrecise(now);
    const segment = [fromX, fromY, toX, toY, this.seconds(now), unicorn];
    this.data.set(segment, this.next * Trails.STRIDE);
    this.touch(this.next);
    this.next = (this.next + 1) % this.capacity;
    this.size = Math.min(this.size + 1, this.capacity);
  }

  /** Converts a time on the page's clock to seconds since the ring's epoch. */
  seconds(now: number): number {
    return (now - this.epoch) / 1000;
  }

  /** The ranges of segments (first, one past the last) that changed since the last call. */
  takeDirty(): readonly [number, number][] {
    const taken = this.dirty;
    this.dirty = [];
    return taken;
  }

  /** The newest `count` segments, as ranges (first, one past the last). */
  newest(count: number): readonly (readonly [number, number])[] {
    const wanted = Math.min(count, this.size);
    const first = this.next - wanted;
    if (first >= 0) return [[first, this.next]];
    return [
      [this.capacity + first, this.capacity],
      [0, this.next],
    ];
  }

  /** Marks all segments as changed. */
  touchAll(): void {
    this.dirty = this.size > 0 ? [[0, this.size]] : [];
  }

  private touch(index: number): void {
    const last = this.dirty.at(-1);
    if (last?.[1] === index) {
      last[1] = index + 1;
    } else {
      this.dirty.push([index, index + 1]);
    }
  }

  /** 32-bit floats keep milliseconds for only a few hours, so the epoch moves on. */
  private keepPrecise(now: number): void {
    const shift = this.seconds(now);
    if (this.size === 0) {
      this.epoch = now;
    } else if (shift > 7200) {
      for (let at = 4; at < this.size * Trails.STRIDE; at += Trails.STRIDE) {
        this.data[at] = (this.data[at] ?? 0) - shift;
      }
      this.epoch = now;
      this.touchAll();
    }
  }
}
