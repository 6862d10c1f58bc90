/**
 * DOM helpers. External data is only ever set as text, never parsed as HTML, and its control
 * characters are shown as escapes.
 */

import { visible } from './visible.ts';

/** The element with this id. Throws if the page has none of this kind. */
export function element<Kind extends HTMLElement>(id: string, kind: new () => Kind): Kind {
  const found = document.getElementById(id);
  if (!(found instanceof kind)) throw new Error(`the page has no ${id}`);
  return found;
}

/** A new element. The text, the title and children that are strings are shown as {@link visible} has them. */
export function make<Tag extends keyof HTMLElementTagNameMap>(
  tag: Tag,
  properties: { readonly class?: string; readonly text?: string; readonly title?: string } = {},
  ...children: readonly (Node | string)[]
): HTMLElementTagNameMap[Tag] {
  const made = document.createElement(tag);
  if (properties.class !== undefined) made.className = properties.class;
  if (properties.text !== undefined) made.textContent = visible(properties.text);
  if (properties.title !== undefined) made.title = visible(properties.title);
  made.append(...children.map((child) => (typeof child === 'string' ? visible(child) : child)));
  return made;
}

/** Sets a text if it differs, so that an unchanged page needs no layout. */
export function setText(target: Element, text: string): void {
  const shown = visible(text);
  if (target.textContent !== shown) target.textContent = shown;
}

/** Sets a cell's text; a text that is too long is in its tooltip as well. */
export function setCell(cell: Element, text: string): void {
  const shown = visible(text);
  if (cell.textContent === shown) return;
  cell.textContent = shown;
  cell.setAttribute('title', shown);
}
