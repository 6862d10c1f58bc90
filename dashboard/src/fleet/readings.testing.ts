/** Readings for tests. */

import type { Readings } from '../protocol.ts';

export interface Given {
  readonly unicorn?: number;
  /** StatusTime and arrival, in seconds since the epoch. */
  readonly second: number;
  readonly arrival?: number;
  readonly latitude?: number;
  readonly longitude?: number;
  readonly distance?: number;
  readonly health?: number;
  readonly magic?: number;
}

export function readings(given: readonly Given[], newNames: readonly string[] = [], firstNew = 0): Readings {
  const numbers = (value: (reading: Given) => number) => Float64Array.from(given, value);
  return {
    kind: 'readings',
    newNames,
    firstNew,
    unicorn: Uint32Array.from(given, (reading) => reading.unicorn ?? 0),
    time: numbers((reading) => reading.second * 1000),
    arrival: numbers((reading) => (reading.arrival ?? reading.second) * 1000),
    latitude: numbers((reading) => reading.latitude ?? 40),
    longitude: numbers((reading) => reading.longitude ?? -74),
    distance: numbers((reading) => reading.distance ?? 30),
    health: Int32Array.from(given, (reading) => reading.health ?? 150),
    magic: Int32Array.from(given, (reading) => reading.magic ?? 150),
  };
}
