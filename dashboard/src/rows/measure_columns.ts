import { anyNumber, type MeasureColumn, type Schema } from '../schema.ts';
import { isAverage, type Measure } from '../wire/measures.ts';
import { ValueColumn } from './value_column.ts';

interface Columns {
  readonly values: ValueColumn;
  /** For an average: how many values there are. `values` has their sums. */
  readonly counts: ValueColumn | undefined;
}

/** The measures of rows, as columns: one per measure, and two for the parts of an average. */
export class MeasureColumns {
  readonly #columns: readonly Columns[];
  /** Of the columns, and of the values that they do not hold themselves. */
  #columnBytes: number;
  #otherBytes = 0;

  constructor(schema: Schema, capacity: number) {
    this.#columns = schema.measures.map((column) => columnsOf(column, capacity));
    this.#columnBytes = this.#sumBytes();
  }

  /** Approximate memory use in bytes. */
  get bytes(): number {
    return this.#columnBytes + this.#otherBytes;
  }

  /** Sets the measures of the row at `index`, which has none yet. */
  set(index: number, measures: readonly Measure[]): void {
    for (let column = 0; column < this.#columns.length; column += 1) {
      const { values, counts } = this.#columns[column] ?? {};
      const measure = measures[column] ?? null;
      this.#otherBytes += values?.set(index, isAverage(measure) ? measure.sum : measure) ?? 0;
      this.#otherBytes += counts?.set(index, isAverage(measure) ? measure.count : null) ?? 0;
    }
  }

  get(index: number): readonly Measure[] {
    return this.#columns.map(({ values, counts }) => {
      const value = values.get(index);
      const count = counts?.get(index);
      const isSum = typeof value === 'number' || typeof value === 'bigint';
      return typeof count === 'number' && isSum ? { sum: value, count } : value;
    });
  }

  grow(capacity: number): void {
    for (const { values, counts } of this.#columns) {
      values.grow(capacity);
      counts?.grow(capacity);
    }
    this.#columnBytes = this.#sumBytes();
  }

  #sumBytes(): number {
    return this.#columns.reduce((sum, { values, counts }) => sum + values.bytes + (counts?.bytes ?? 0), 0);
  }
}

function columnsOf({ kind, type, of, nullable }: MeasureColumn, capacity: number): Columns {
  if (kind !== 'average') return { values: new ValueColumn(type, nullable, capacity), counts: undefined };
  // The sum of values may be out of their bounds.
  const sum = anyNumber(of.kind === 'number' ? of.scale : 0);
  return { values: new ValueColumn(sum, false, capacity), counts: new ValueColumn(anyNumber(0), false, capacity) };
}
