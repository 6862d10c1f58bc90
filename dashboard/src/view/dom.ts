/** DOM helpers. External data is only ever set as text, never parsed as HTML. */

/** The element with this id. Throws if the page has none of this kind. */
export function element<Kind extends HTMLElement>(id: string, kind: new () => Kind): Kind {
  const found = document.getElementById(id);
  if (!(found instanceof kind)) throw new Error(`the page has no ${id}`);
  return found;
}

export function make<Tag extends keyof HTMLElementTagNameMap>(
  tag: Tag,
  properties: { readonly class?: string; readonly text?: string; readonly title?: string } = {},
  ...children: readonly (Node | string)[]
): HTMLElementTagNameMap[Tag] {
  const made = document.createElement(tag);
  if (properties.class !== undefined) made.className = properties.class;
  if (properties.text !== undefined) made.textContent = properties.text;
  if (properties.title !== undefined) made.title = properties.title;
  made.append(...children);
  return made;
}

/** Sets a text if it differs, so that an unchanged page needs no layout. */
export function setText(target: Element, text: string): void {
  if (target.textContent !== text) target.textContent = text;
}

/** Sets a cell's text; a text that is too long is in its tooltip as well. */
export function setCell(cell: Element, text: string): void {
  if (cell.textContent === text) return;
  cell.textContent = text;
  cell.setAttribute('title', text);
}
