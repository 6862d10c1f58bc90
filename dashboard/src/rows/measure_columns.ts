import { anyNumber, type ColumnType, type MeasureColumn, type Schema } from '../schema.ts';
import { isAverage, isOrdered, type Measure } from '../wire/measures.ts';
import { ValueColumn } from './value_column.ts';

/** The columns of one measure. */
interface Columns {
  /** The values. For an average: the sums. */
  readonly values: ValueColumn;
  /** For an average: how many values there are. */
  readonly counts?: ValueColumn;
  /** For the value of the first or last reading: what orders the readings. */
  readonly order?: { readonly sequenceNumbers: ValueColumn; readonly indexes: ValueColumn; readonly times: ValueColumn };
}

/** The measures of rows, as columns: those of values, and of the parts of those that need more. */
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
      const columns = this.#columns[column];
      if (columns !== undefined) this.#otherBytes += setMeasure(columns, index, measures[column] ?? null);
    }
  }

  get(index: number): readonly Measure[] {
    return this.#columns.map((columns) => getMeasure(columns, index));
  }

  grow(capacity: number): void {
    for (const column of this.#columns.flatMap(allOf)) column.grow(capacity);
    this.#columnBytes = this.#sumBytes();
  }

  #sumBytes(): number {
    return this.#columns.flatMap(allOf).reduce((sum, column) => sum + column.bytes, 0);
  }
}

/** Returns how many more bytes that takes. */
function setMeasure({ values, counts, order }: Columns, index: number, measure: Measure): number {
  if (isAverage(measure)) return values.set(index, measure.sum) + (counts?.set(index, measure.count) ?? 0);
  if (!isOrdered(measure)) return values.set(index, measure);
  let bytes = values.set(index, measure.value);
  bytes += order?.sequenceNumbers.set(index, measure.sequenceNumber) ?? 0;
  bytes += order?.indexes.set(index, measure.index) ?? 0;
  return bytes + (order?.times.set(index, measure.time) ?? 0);
}

function getMeasure({ values, counts, order }: Columns, index: number): Measure {
  const value = values.get(index);
  const count = counts?.get(index);
  if (typeof count === 'number') return typeof value === 'number' || typeof value === 'bigint' ? { sum: value, count } : null;
  const sequenceNumber = order?.sequenceNumbers.get(index);
  const place = order?.indexes.get(index);
  const time = order?.times.get(index);
  const isComplete = typeof sequenceNumber === 'string' && typeof place === 'number' && typeof time === 'string';
  return value !== null && isComplete ? { value, sequenceNumber, index: place, time } : value;
}

function allOf({ values, counts, order }: Columns): readonly ValueColumn[] {
  const parts = order === undefined ? [counts] : [order.sequenceNumbers, order.indexes, order.times];
  return [values, ...parts.filter((column) => column !== undefined)];
}

function columnsOf({ kind, type, of, nullable }: MeasureColumn, capacity: number): Columns {
  const column = (one: ColumnType, isNullable = false): ValueColumn => new ValueColumn(one, isNullable, capacity);
  if (kind === 'average') {
    // The sum of values may be out of their bounds.
    const sum = anyNumber(of.kind === 'number' ? of.scale : 0);
    return { values: column(sum), counts: column(anyNumber(0)) };
  }
  const values = column(type, nullable);
  if (kind !== 'first' && kind !== 'last') return { values };
  const text: ColumnType = { kind: 'text' };
  return { values, order: { sequenceNumbers: column(text), indexes: column(anyNumber(0)), times: column(text) } };
}
