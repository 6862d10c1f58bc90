/** Measures of unicorns' rows, for tests. */

import { toUnscaled } from '../wire/decimal.ts';
import type { Measure } from '../wire/measures.ts';

export interface UnicornMeasures {
  /** In micrometres. */
  readonly distance: bigint;
  readonly minMagic: number;
  readonly maxMagic: number;
  readonly minHealth: number;
  readonly maxHealth: number;
}

/** The measures in the order of the schema. */
export function measuresOf({ distance, minMagic, maxMagic, minHealth, maxHealth }: UnicornMeasures): readonly Measure[] {
  return [toUnscaled(distance), minMagic, maxMagic, minHealth, maxHealth];
}
