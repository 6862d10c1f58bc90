/** The form for choosing streams: shown if there is no `config.json`, or on request. */

import type { Config } from '../config.ts';
import { InvalidSchema, parseSchema } from '../schema.ts';
import { clearSaved, InvalidConfig, parse, save } from '../settings.ts';
import { element, make, setText } from './dom.ts';

const FIELDS = [
  ['region', 'Region', 'us-east-1', 'The region of the stack'],
  ['identityPoolId', 'Identity pool', 'us-east-1:…', 'On AWS: from the stack output DashboardConfig'],
  ['endpoint', 'Endpoint', 'http://127.0.0.1:4566', 'For a local cloud, instead of an identity pool'],
  ['stream', 'Stream of readings', 'wildrydes', ''],
  ['summaryStream', 'Stream of rows', 'wildrydes-summary', ''],
] as const;

/**
 * Shows the form of the map or the table. Submitting it saves the settings and reloads the page. Only
 * the table needs a schema; the map's form keeps it.
 */
export function ask(current: Config | undefined, problem: string, page: 'map' | 'table'): void {
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
  const schema = make('textarea');
  schema.name = 'schema';
  schema.rows = 6;
  schema.spellcheck = false;
  schema.value = current?.schema === undefined ? '' : JSON.stringify(current.schema, undefined, 2);
  if (page === 'table') {
    const hint = make('small', { text: 'The columns of the rows, as JSON' });
    form.append(make('label', {}, make('span', { text: 'Schema' }), schema, hint));
  }
  const open = make('button', { text: `Open the ${page}` });
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
    const { tiles, outputs } = current ?? {};
    try {
      const columns = page === 'table' ? { schema: checkSchema(schema.value) } : { schema: current?.schema };
      save(parse({ ...given, ...columns, tiles, outputs }, 'the form'));
      location.reload();
    } catch (error) {
      trouble.hidden = false;
      setText(trouble, error instanceof InvalidConfig ? error.message : String(error));
    }
  });
  dialog.replaceChildren(title, trouble, form);
  dialog.showModal();
}

/** The JSON of a schema, which may be missing. Throws {@link InvalidConfig}. */
function checkSchema(text: string): unknown {
  if (text.trim() === '') return undefined;
  try {
    const schema: unknown = JSON.parse(text);
    parseSchema(schema);
    return schema;
  } catch (error) {
    if (error instanceof InvalidSchema) throw new InvalidConfig(`the schema: ${error.message}`);
    throw new InvalidConfig('the schema is not JSON');
  }
}
