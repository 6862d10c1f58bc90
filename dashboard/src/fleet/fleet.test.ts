import { describe, expect, test } from 'vitest';

import { FADE_MILLIS, Fleet, SILENT_MILLIS, SILENT_OPACITY } from './fleet.ts';
import { mercatorX, mercatorY } from './mercator.ts';
import { readings } from './readings.testing.ts';

/** About 30 m of latitude. */
const STEP = 30 / 110_540;

describe('a unicorn', () => {
  test('glides to its last reading', () => {
    const fleet = new Fleet();
    fleet.apply(readings([{ second: 100 }], ['Shadowfax']), 0);
    expect(fleet.position(0, 0)).toEqual([mercatorX(-74), mercatorY(40)]);

    fleet.apply(readings([{ second: 101, latitude: 40 + STEP }]), 1000);
    expect(fleet.position(0, 1000)[1]).toBeCloseTo(mercatorY(40), 12);
    expect(fleet.position(0, 1500)[1]).toBeCloseTo((mercatorY(40) + mercatorY(40 + STEP)) / 2, 12);
    expect(fleet.position(0, 2000)[1]).toBe(mercatorY(40 + STEP));
    expect(fleet.position(0, 9000)[1]).toBe(mercatorY(40 + STEP));
  });

  test('jumps if gliding is off', () => {
    const fleet = new Fleet();
    fleet.glides = false;
    fleet.apply(readings([{ second: 100 }], ['Shadowfax']), 0);
    fleet.apply(readings([{ second: 101, latitude: 40 + STEP }]), 1000);
    expect(fleet.position(0, 1000)[1]).toBe(mercatorY(40 + STEP));
  });

  test('has the speed between its last two readings, even if they come late', () => {
    const fleet = new Fleet();
    fleet.apply(readings([{ second: 100 }], ['Shadowfax']), 0);
    expect(fleet.sighting(0, 0).speed).toBeNaN();
    fleet.apply(readings([{ second: 101, distance: 29 }, { second: 103, distance: 62 }]), 5000);
    expect(fleet.sighting(0, 5000).speed).toBe(31);
  });

  test('ignores late and duplicate readings', () => {
    const fleet = new Fleet();
    fleet.apply(readings([{ second: 101, health: 120 }], ['Shadowfax']), 0);
    fleet.apply(readings([{ second: 100, health: 90, latitude: 50 }, { second: 101, health: 80 }]), 10);
    expect(fleet.sighting(0, 10)).toMatchObject({ health: 120, latitude: 40, statusTime: 101_000 });
  });

  test('leaves a trail up to its drawn location', () => {
    const fleet = new Fleet();
    fleet.apply(readings([{ second: 100 }], ['Shadowfax']), 0);
    fleet.apply(readings([{ second: 101, latitude: 40 + STEP }]), 1000);
    expect(fleet.trails.size).toBe(0);
    fleet.apply(readings([{ second: 102, latitude: 40 + 2 * STEP }]), 2000);
    expect(fleet.trails.size).toBe(1);
    expect(fleet.tailY[0]).toBe(mercatorY(40 + STEP));
  });

  test('jumps without a trail when it restarts elsewhere', () => {
    const fleet = new Fleet();
    fleet.apply(readings([{ second: 100 }], ['Shadowfax']), 0);
    fleet.apply(readings([{ second: 101, latitude: 41 }]), 1000);
    expect(fleet.position(0, 1000)[1]).toBe(mercatorY(41));
    expect(fleet.trails.size).toBe(0);
    fleet.apply(readings([{ second: 102, latitude: 41 + STEP }]), 2000);
    fleet.apply(readings([{ second: 103, latitude: 41 + 2 * STEP }]), 3000);
    expect(fleet.trails.size).toBe(1);
  });

  test('without a location is listed but not drawn', () => {
    const fleet = new Fleet();
    fleet.apply(readings([{ second: 100, latitude: NaN, longitude: NaN }], ['Shadowfax']), 0);
    expect(fleet.sighting(0, 0)).toMatchObject({ name: 'Shadowfax', health: 150 });
    expect(fleet.position(0, 0)[0]).toBeNaN();
  });

  test('is dimmed after 30 s without readings, however long, and no longer with the next one', () => {
    const fleet = new Fleet();
    fleet.apply(readings([{ second: 100 }], ['Shadowfax']), 0);
    expect(fleet.opacity(0, SILENT_MILLIS)).toBe(1);
    expect(fleet.isSilent(0, SILENT_MILLIS)).toBe(true);
    expect(fleet.sighting(0, SILENT_MILLIS).isSilent).toBe(true);
    expect(fleet.opacity(0, SILENT_MILLIS + FADE_MILLIS / 2)).toBeCloseTo((1 + SILENT_OPACITY) / 2);
    expect(fleet.opacity(0, SILENT_MILLIS + FADE_MILLIS)).toBeCloseTo(SILENT_OPACITY);
    expect(fleet.opacity(0, 3_600_000)).toBeCloseTo(SILENT_OPACITY);
    expect(fleet.position(0, 3_600_000)).toEqual([mercatorX(-74), mercatorY(40)]);
    fleet.apply(readings([{ second: 150 }]), 50_000);
    expect(fleet.opacity(0, 50_000)).toBe(1);
  });

  test('does not fall silent while the page gets no readings at all', () => {
    const fleet = new Fleet();
    fleet.apply(readings([{ second: 100 }], ['Shadowfax']), 0);
    fleet.frozenAt = 10_000;
    expect(fleet.isSilent(0, 600_000)).toBe(false);
    expect(fleet.opacity(0, 600_000)).toBe(1);
    // How long ago it was is still true.
    expect(fleet.sighting(0, 600_000)).toMatchObject({ silence: 600_000, isSilent: false });
    fleet.frozenAt = Infinity;
    expect(fleet.isSilent(0, 600_000)).toBe(true);
  });

  test('is silent since its last reading arrived, by the stream’s clock', () => {
    const fleet = new Fleet();
    const both = [{ second: 100, arrival: 100 }, { unicorn: 1, second: 120, arrival: 120 }];
    fleet.apply(readings(both, ['Shadowfax', 'Franky']), 1000);
    expect(fleet.sighting(0, 1000).silence).toBe(20_000);
    expect(fleet.sighting(1, 1000).silence).toBe(0);
  });
});

test('ten thousand unicorns stay within the trails’ capacity', () => {
  const fleet = new Fleet();
  const names = Array.from({ length: 10_000 }, (_, index) => `Unicorn ${index}`);
  for (let second = 0; second < 200; second += 1) {
    const given = names.map((_, unicorn) => ({ unicorn, second, latitude: 40 + second * STEP, longitude: -74 + unicorn / 1e5 }));
    fleet.apply(readings(given, second === 0 ? names : []), second * 1000);
  }
  expect(fleet.trails.size).toBe(fleet.trails.capacity);
  expect(fleet.sighting(9_999, 199_000)).toMatchObject({ name: 'Unicorn 9999', longitude: -74 + 9_999 / 1e5 });
});
