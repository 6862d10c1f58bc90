import { expect, test } from 'vitest';

import { formatAddress, parseAddress } from './address.ts';

const VIEW = { zoom: 12.5, latitude: 40.74917, longitude: -73.98518 };

test.each([
  [{ view: undefined, unicorn: null }, ''],
  [{ view: VIEW, unicorn: null }, 'map=12.5/40.74917/-73.98518'],
  [{ view: undefined, unicorn: 'Franky 2' }, 'unicorn=Franky%202'],
  [{ view: { zoom: 1, latitude: 0, longitude: -180 }, unicorn: 'a&b=c/#%\n\u202e\u{1f984}' },
    'map=1/0/-180&unicorn=a%26b%3Dc%2F%23%25%0A%E2%80%AE%F0%9F%A6%84'],
])('%j is %s', (address, hash) => {
  expect(formatAddress(address)).toBe(hash);
  expect(parseAddress(hash)).toEqual(address);
  expect(parseAddress(`#${hash}`)).toEqual(address);
});

test('the farther the view, the fewer digits it has', () => {
  const view = { zoom: 3.456, latitude: 40.123456789, longitude: -73.987654321 };
  expect(formatAddress({ view, unicorn: null })).toBe('map=3.46/40.123/-73.988');
});

test.each([
  '#search', '#map=', '#map=1/2', '#map=1/2/3/4', '#map=a/b/c', '#map=1e9/0/0', '#map=99/0/0', '#map=3/91/0', '#map=3/0/181',
  '#map=NaN/0/0', '#map=//', '#unicorn=', '#unicorn', '#unicorn=%', '#unicorn=%FF', '#&&=&', '#other=1',
])('%s says nothing', (hash) => {
  expect(parseAddress(hash)).toEqual({ view: undefined, unicorn: null });
});
