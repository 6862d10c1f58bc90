/** In which order the list shows the fleet, and whom it shows. */

import type { Fleet } from './fleet.ts';

/** A unicorn's key is one number: whether it is silent, its vitals, its place by name, from high bits to low. */
const SILENT = 2 ** 52;
const NAMES = 2 ** 20;
const VITALS_FROM_ZERO = 2 ** 31;

export class Order {
  private readonly fleet: Fleet;
  /** Names as they are searched, in lower case. */
  private readonly lower: string[] = [];
  /** Names as they are compared: digits are filled up, so that `Franky 2` comes before `Franky 10`. */
  private readonly comparable: string[] = [];
  /** The unicorns by name. */
  private byName = new Uint32Array(0);

  constructor(fleet: Fleet) {
    this.fleet = fleet;
  }

  /**
   * The unicorns whose names contain `search`, whatever the case: those that are heard first, worst vitals first, then
   * by name.
   */
  unicorns(search: string, now: number): number[] {
    this.takeNames();
    const { fleet } = this;
    const wanted = search.trim().toLowerCase();
    const keys = new Float64Array(fleet.size);
    let found = 0;
    this.byName.forEach((unicorn, place) => {
      if (wanted !== '' && !this.lower[unicorn]?.includes(wanted)) return;
      const silent = fleet.isSilent(unicorn, now) ? SILENT : 0;
      keys[found] = silent + (fleet.vitals(unicorn) + VITALS_FROM_ZERO) * NAMES + place;
      found += 1;
    });
    return Array.from(keys.subarray(0, found).sort(), (key) => this.byName[key % NAMES] ?? 0);
  }

  private takeNames(): void {
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
