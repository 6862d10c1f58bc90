/** Measures: their merge, and the values they finish as. Mirrors `windrow_core::row::Measure`. */

import type { MeasureColumn } from '../schema.ts';
import { divide, plus, type Unscaled } from './decimal.ts';
import { compareSequenceNumbers } from './source.ts';
import { compareValues, type Value } from './values.ts';

/**
 * A measure in the form that merges: a value, the parts of an average, or the value of the first or
 * last reading.
 */
export type Measure = Value | Average | Ordered;

/** The parts of an average. */
export interface Average {
  readonly sum: Unscaled;
  /** How many values there are. */
  readonly count: number;
}

/** The value of the first or last reading. */
export interface Ordered {
  readonly value: Value;
  /** The sequence number of the reading's record, and its index in there. */
  readonly sequenceNumber: string;
  readonly index: number;
  /** When the sensor took it, or when the record arrived, as `parseExactTime` returns it. */
  readonly time: string;
}

/**
 * Which readings a merge combines: those of one shard, which the log orders, or of several, which
 * only their times order.
 */
export type MergeScope = 'one shard' | 'several shards';

export function isAverage(measure: Measure): measure is Average {
  return typeof measure === 'object' && measure !== null && 'sum' in measure;
}

export function isOrdered(measure: Measure): measure is Ordered {
  return typeof measure === 'object' && measure !== null && 'index' in measure;
}

/** The measure of the readings of both. The rows of one schema have no pairs of different types. */
export function mergeMeasures(column: MeasureColumn, scope: MergeScope, one: Measure, other: Measure): Measure {
  if (other === null) return one;
  if (one === null) return other;
  if (isAverage(one)) {
    return isAverage(other) ? { sum: plus(one.sum, other.sum), count: one.count + other.count } : one;
  }
  if (isOrdered(one)) {
    const order = isOrdered(other) ? compareOrder(scope, other, one) : 0;
    return (column.kind === 'first' ? order < 0 : order > 0) ? other : one;
  }
  if (isAverage(other) || isOrdered(other)) return one;
  return mergeValues(column, one, other);
}

function mergeValues(column: MeasureColumn, one: Value, other: Value): Value {
  switch (column.kind) {
    case 'sum':
      return isUnscaled(one) && isUnscaled(other) ? plus(one, other) : one;
    case 'min':
      return compareValues(other, one) < 0 ? other : one;
    case 'max':
      return compareValues(other, one) > 0 ? other : one;
    case 'average':
    case 'first':
    case 'last':
      return one;
  }
}

/**
 * Compares two readings. Of several shards, they may have the same order; then the values decide, so
 * that the merge does not depend on the order of the rows.
 */
function compareOrder(scope: MergeScope, one: Ordered, other: Ordered): number {
  const log = compareSequenceNumbers(one.sequenceNumber, other.sequenceNumber) || one.index - other.index;
  const time = compareValues(one.time, other.time);
  return (scope === 'one shard' ? log || time : time || log) || compareValues(one.value, other.value);
}

/** The finished value; `null` if there are no values, or the average exceeds 128 bits. */
export function finish(column: MeasureColumn, measure: Measure): Value {
  if (isOrdered(measure)) return measure.value;
  if (!isAverage(measure)) return measure;
  if (column.of.kind !== 'number' || column.type.kind !== 'number') return null;
  return divide(measure.sum, column.of.scale, measure.count, column.type.scale) ?? null;
}

/** Whether two measures are the same. */
export function areSame(one: Measure, other: Measure): boolean {
  if (isAverage(one) && isAverage(other)) return one.sum === other.sum && one.count === other.count;
  if (isOrdered(one) && isOrdered(other)) return compareOrder('one shard', one, other) === 0;
  return one === other;
}

function isUnscaled(value: Value): value is Unscaled {
  return typeof value === 'number' || typeof value === 'bigint';
}
