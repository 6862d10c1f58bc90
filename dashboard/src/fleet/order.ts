/** Filters and sorts the fleet for the list. */

import type { Fleet } from './fleet.ts';

/**
 * A unicorn's sort key is one number. From high bits to low: whether it is silent, its vitals, its
 * rank by name.
 */
const SILENT = 2 ** 52;
const NAMES = 2 ** 20;
const VITALS_FROM_ZERO = 2 ** 31;

export class Order {
  private readonly fleet: Fleet;
  /** Names in lower case, for the search. */
  private readonly lower: string[] = [];
  /** Names for sorting: numbers are zero-padded, so that `Franky 2` comes before `Franky 10`. */
  private readonly comparable: string[] = [];
  /** The unicorns, sorted by name. */
  private byName = new Uint32Array(0);

  constructor(fleet: Fleet) {
    this.fleet = fleet;
  }

  /**
   * The unicorns whose names contain `search`, ignoring case. Silent unicorns come last; otherwise
   * they are sorted by vitals, lowest first, then by name.
   */
  unicorns(search: string, now: number): number[] {
    this.updateNames();
    const { fleet } = this;
    const wanted = search.trim().toLowerCase();
    const keys = new Float64Array(fleet.size);
    let matches = 0;
    this.byName.forEach((unicorn, rank) => {
      if (wanted !== '' && !this.lower[unicorn]?.includes(wanted)) return;
      const silent = fleet.isSilent(unicorn, now) ? SILENT : 0;
      keys[matches] = silent + (fleet.vitals(unicorn) + VITALS_FROM_ZERO) * NAMES + rank;
      matches += 1;
    });
    return Array.from(keys.subarray(0, matches).sort(), (key) => this.byName[key % NAMES] ?? 0);
  }

  private updateNames(): void {
    const { fleet } = this;
    if (this.byName.length === fleet.size) return;
    for (let unicorn = this.lower.length; unicorn < fleet.size; unicorn += 1) {
      const lower = (fleet.names[unicorn] ?? '').toLowerCase();
      this.lower.push(lower);
      this.comparable.push(lower.replace(/\d+/g, (digits) => digits.padStart(12, '0')));
    }
    this.byName = Uint32Array.from({ length: fleet.size }, (_, unicorn) => unicorn);
    this.byName.sort((a, b) => {
      const [first, second] = [this.comparable[a] ?? '', this.comparable[b] ?? ''];
      return first < second ? -1 : Number(first > second);
    });
  }
}
