/** The columns of the unicorns' rows, as `unicorn::row` has them. */

import { parseSchema } from './schema.ts';

const points = { type: 'number', scale: 0, lowest: '-2147483648', highest: '2147483647' };

export const UNICORN = parseSchema({
  key: [{ name: 'Name', type: 'text' }],
  time: 'StatusTime',
  measures: [
    { name: 'Distance', kind: 'sum', type: 'number', scale: 6, lowest: '0' },
    { name: 'MinMagicPoints', kind: 'min', ...points },
    { name: 'MaxMagicPoints', kind: 'max', ...points },
    { name: 'MinHealthPoints', kind: 'min', ...points },
    { name: 'MaxHealthPoints', kind: 'max', ...points },
  ],
});

/** The text of a unicorn's key. */
export function unicornKey(name: string): string {
  return JSON.stringify([name]);
}
