import { expect, test } from 'vitest';

import { Fleet } from './fleet.ts';
import { Order } from './order.ts';
import { readings } from './readings.testing.ts';

function fleetOf(vitals: readonly (readonly [string, number, number])[]): Fleet {
  const fleet = new Fleet();
  const given = vitals.map(([, health, magic], unicorn) => ({ unicorn, second: 100, health, magic }));
  fleet.apply(readings(given, vitals.map(([name]) => name)), 0);
  return fleet;
}

test('lowest vitals come first, then names in natural order', () => {
  const fleet = fleetOf([
    ['Franky 10', 150, 150],
    ['Franky 2', 150, 150],
    ['Rocinante', 150, 99],
    ['Bucephalus', 80, 150],
  ]);
  expect(new Order(fleet).unicorns('', 0).map((unicorn) => fleet.names[unicorn])).toEqual([
    'Bucephalus',
    'Rocinante',
    'Franky 2',
    'Franky 10',
  ]);
});

test('silent unicorns come last, whatever their vitals', () => {
  const fleet = fleetOf([['Shadowfax', 10, 10], ['Franky', 150, 150]]);
  fleet.apply(readings([{ unicorn: 1, second: 160, arrival: 100 }]), 60_000);
  expect(new Order(fleet).unicorns('', 60_000).map((unicorn) => fleet.names[unicorn])).toEqual(['Franky', 'Shadowfax']);
});

test('a search finds parts of names, ignoring case', () => {
  const fleet = fleetOf([['Shadowfax', 150, 150], ['ŁUKASZ', 150, 150]]);
  expect(new Order(fleet).unicorns(' łuk', 0)).toEqual([1]);
  expect(new Order(fleet).unicorns('dowf', 0)).toEqual([0]);
  expect(new Order(fleet).unicorns('nobody', 0)).toEqual([]);
});

test('new names are sorted in, and vitals may be any 32-bit integer', () => {
  const fleet = fleetOf([['Franky', 150, 2_147_483_647], ['Bucephalus', -2_147_483_648, 150]]);
  const order = new Order(fleet);
  expect(order.unicorns('', 0)).toEqual([1, 0]);
  fleet.apply(readings([{ unicorn: 2, second: 101, health: 150 }], ['Alsvid'], 2), 10);
  expect(order.unicorns('', 10)).toEqual([1, 2, 0]);
});
