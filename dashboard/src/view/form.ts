/** The form for choosing streams: shown if there is no `config.json`, or on request. */

import type { Config } from '../config.ts';
import { clearSaved, InvalidConfig, parse, save } from '../settings.ts';
import { element, make, setText } from './dom.ts';

const FIELDS = [
  ['region', 'Region', 'us-east-1', 'The region of the stack'],
  ['identityPoolId', 'Identity pool', 'us-east-1:…', 'On AWS: from the stack output DashboardConfig'],
  ['endpoint', 'Endpoint', 'http://127.0.0.1:4566', 'For a local cloud, instead of an identity pool'],
  ['stream', 'Stream of readings', 'wildrydes', ''],
  ['summaryStream', 'Stream of rows', 'wildrydes-summary', ''],
] as const;

/** Shows the form. Submitting it saves the settings and reloads the page. */
export function ask(current: Config | undefined, problem: string): void {
  const dialog = element('form', HTMLDialogElement);
  if (dialog.open) return;
  const title = make('h2', { text: 'Which streams?' });
  title.id = 'form-title';
  const trouble = make('p', { class: 'trouble', text: problem });
  trouble.setAttribute('role', 'alert');
  trouble.hidden = problem === '';
  const form = make('form');
  form.noValidate = true;
  const inputs = new Map<string, HTMLInputElement>();
  for (const [name, label, example, hint] of FIELDS) {
    const input = make('input');
    input.name = name;
    input.placeholder = example;
    input.autocomplete = 'off';
    input.spellcheck = false;
    input.value = current?.[name] ?? '';
    inputs.set(name, input);
    const caption = make('span', { text: label });
    form.append(make('label', {}, caption, input, make('small', { text: hint })));
  }
  const open = make('button', { text: 'Open the map' });
  open.type = 'submit';
  const reset = make('button', { class: 'plain', text: 'Use config.json' });
  reset.type = 'button';
  reset.addEventListener('click', () => {
    clearSaved();
    location.reload();
  });
  const cancel = make('button', { class: 'plain', text: 'Cancel' });
  cancel.type = 'button';
  cancel.hidden = current === undefined;
  cancel.addEventListener('click', () => dialog.close());
  form.append(make('div', { class: 'actions' }, open, reset, cancel));
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    const given = Object.fromEntries([...inputs].map(([name, input]) => [name, input.value]));
    try {
      save(parse({ ...given, ...(current?.tiles === undefined ? {} : { tiles: current.tiles }) }, 'the form'));
      location.reload();
    } catch (error) {
      trouble.hidden = false;
      setText(trouble, error instanceof InvalidConfig ? error.message : String(error));
    }
  });
  dialog.replaceChildren(title, trouble, form);
  dialog.showModal();
}
