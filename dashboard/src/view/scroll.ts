/** Which rows of a long list are visible. */

/** Rows from `first`, inclusive, to `last`, exclusive. */
export interface Visible {
  readonly first: number;
  readonly last: number;
}

/**
 * The rows that are visible in a box that is scrolled down by `top`, and `margin` rows around them.
 * All sizes are in pixels.
 */
export function visibleRows(top: number, height: number, rowHeight: number, count: number, margin: number): Visible {
  const first = Math.min(count, Math.max(0, Math.floor(top / rowHeight) - margin));
  const last = Math.min(count, first + Math.ceil(height / rowHeight) + 2 * margin);
  return { first, last };
}

/** Where the key moves the row at `index` to; `undefined` if it moves none. `page` is in rows. */
export function moveTo(key: string, index: number, page: number, count: number): number | undefined {
  const last = count - 1;
  if (last < 0) return undefined;
  switch (key) {
    case 'ArrowDown':
      return Math.min(last, index + 1);
    case 'ArrowUp':
      return Math.max(0, index - 1);
    case 'PageDown':
      return Math.min(last, Math.max(0, index) + page);
    case 'PageUp':
      return Math.max(0, index - page);
    case 'Home':
      return 0;
    case 'End':
      return last;
    default:
      return undefined;
  }
}
