/** Calls `act` for the key Escape, unless it closes a dialog or empties a search box. */
export function onEscape(act: () => void): void {
  document.addEventListener('keydown', (event) => {
    if (event.key !== 'Escape' || event.defaultPrevented || event.isComposing) return;
    if (document.querySelector('dialog[open]') !== null) return;
    const { target } = event;
    if (target instanceof HTMLInputElement && target.value !== '') {
      // Not every browser empties it.
      event.preventDefault();
      target.value = '';
      target.dispatchEvent(new Event('input'));
      return;
    }
    act();
  });
}
