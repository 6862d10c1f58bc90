/** Measures: their merge, and the values they finish as. Mirrors `windrow_core::row::Measure`. */

import type { MeasureColumn } from '../schema.ts';
import { divide, plus, type Unscaled } from './decimal.ts';
import { compareValues, type Value } from './values.ts';

/** A measure in the form that merges: a value, or the parts of an average. */
export type Measure = Value | Average;

/** The parts of an average. */
export interface Average {
  readonly sum: Unscaled;
  /** How many values there are. */
  readonly count: number;
}

export function isAverage(measure: Measure): measure is Average {
  return typeof measure === 'object' && measure !== null;
}

/** The measure of the readings of both. */
export function mergeMeasures(column: MeasureColumn, one: Measure, other: Measure): Measure {
  if (other === null) return one;
  if (one === null) return other;
  if (isAverage(one) || isAverage(other)) {
    // The rows of one schema have no other pairs.
    if (!isAverage(one) || !isAverage(other)) return one;
    return { sum: plus(one.sum, other.sum), count: one.count + other.count };
  }
  switch (column.kind) {
    case 'sum':
      return isUnscaled(one) && isUnscaled(other) ? plus(one, other) : one;
    case 'min':
      return compareValues(other, one) < 0 ? other : one;
    case 'max':
      return compareValues(other, one) > 0 ? other : one;
    case 'average':
      return one;
  }
}

/** The finished value; `null` if there are no values, or the average exceeds 128 bits. */
export function finish(column: MeasureColumn, measure: Measure): Value {
  if (!isAverage(measure)) return measure;
  if (column.of.kind !== 'number' || column.type.kind !== 'number') return null;
  return divide(measure.sum, column.of.scale, measure.count, column.type.scale) ?? null;
}

/** Whether two measures are the same. */
export function areSame(one: Measure, other: Measure): boolean {
  if (isAverage(one) && isAverage(other)) return one.sum === other.sum && one.count === other.count;
  return one === other;
}

function isUnscaled(value: Value): value is Unscaled {
  return typeof value === 'number' || typeof value === 'bigint';
}
