/**
 * Where the unicorns have been: pieces of line in a ring, of which the oldest make room for the newest. So the
 * memory is bounded, whatever the fleet; the larger it is, the shorter its trails.
 */
export class Trails {
  /** Numbers a piece: x and y of both ends, when it was made (seconds since the epoch of the ring), whose it is. */
  static readonly STRIDE = 6;

  readonly data: Float32Array<ArrayBuffer>;
  readonly capacity: number;
  /** How many pieces there are. */
  size = 0;
  /** Where the next piece goes. */
  private next = 0;
  /** Milliseconds on the page's clock from which the pieces' seconds count. */
  private epoch = 0;
  private dirty: [number, number][] = [];

  constructor(capacity = 65_536) {
    this.capacity = capacity;
    this.data = new Float32Array(capacity * Trails.STRIDE);
  }

  /** Adds a piece that was flown until `now` (milliseconds on the page's clock). */
  add(unicorn: number, fromX: number, fromY: number, toX: number, toY: number, now: number): void {
    this.keepPrecise(now);
    const piece = [fromX, fromY, toX, toY, this.seconds(now), unicorn];
    this.data.set(piece, this.next * Trails.STRIDE);
    this.touch(this.next);
    this.next = (this.next + 1) % this.capacity;
    this.size = Math.min(this.size + 1, this.capacity);
  }

  /** A time of the page's clock as the pieces have it. */
  seconds(now: number): number {
    return (now - this.epoch) / 1000;
  }

  /** The ranges of pieces, first and one past the last, that changed since they were taken last. */
  takeDirty(): readonly [number, number][] {
    const taken = this.dirty;
    this.dirty = [];
    return taken;
  }

  /** The newest pieces, as ranges: first, and one past the last. */
  newest(count: number): readonly (readonly [number, number])[] {
    const wanted = Math.min(count, this.size);
    const first = this.next - wanted;
    if (first >= 0) return [[first, this.next]];
    return [
      [this.capacity + first, this.capacity],
      [0, this.next],
    ];
  }

  /** All pieces are to be taken anew, by whoever lost them. */
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

  /** 32 bits hold seconds to the millisecond for some hours only, so the epoch moves along. */
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
