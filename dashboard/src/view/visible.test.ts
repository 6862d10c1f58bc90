import { expect, test } from 'vitest';

import { visible } from './visible.ts';

test.each([
  ['\u0000', '\\u0000'],
  ['\u001b[31mred', '\\u001B[31mred'],
  ['two\nlines\r\tand a tab', 'two\\u000Alines\\u000D\\u0009and a tab'],
  ['\u007f\u0080\u009b\u009f', '\\u007F\\u0080\\u009B\\u009F'],
  ['\u202egnp.exe\u202c', '\\u202Egnp.exe\\u202C'],
  ['\u200e\u200f\u061c\u202a\u202b\u202d', '\\u200E\\u200F\\u061C\\u202A\\u202B\\u202D'],
  ['\u2066a\u2067b\u2068c\u2069', '\\u2066a\\u2067b\\u2068c\\u2069'],
  ['\u2028\u2029\ufeff', '\\u2028\\u2029\\uFEFF'],
])('%j is shown as %s', (text, shown) => {
  expect(visible(text)).toBe(shown);
  expect(visible(`a${text}b`)).toBe(`a${shown}b`);
});

test.each(['Shadowfax', 'Łukasz', 'سلمى', 'רוח', '\u{1f984}', '\u{1f469}\u200d\u{1f680}', 'a b', 'a\\u202Eb', '\u00a0\u00ad', ''])(
  '%j is shown as it is',
  (text) => {
    expect(visible(text)).toBe(text);
  },
);
