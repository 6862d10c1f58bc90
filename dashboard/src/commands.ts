/** Commands for the user to paste into a shell, in the folder of the project. */

import type { Config } from './config.ts';

/** The port and the stream of readings that the programs use unless told otherwise. */
const PORT = '4566';
const STREAM = 'wildrydes';

/** Starts a unicorn that sends its readings to the stream that the page reads. */
export function producerCommand({ endpoint, region, stream }: Config): string {
  const target = endpoint === undefined ? ['--target', 'aws', '--region', region] : ['--endpoint-url', endpoint];
  const other = stream === STREAM ? [] : ['--stream', stream];
  return commandLine(['cargo', 'run', '-p', 'producer', '--', ...target, ...other, '--name', 'Shadowfax']);
}

/** Starts a local cloud at the endpoint, which must be a valid address. */
export function localCommand(endpoint: string): string {
  const { port, protocol } = new URL(endpoint);
  const actual = port === '' ? (protocol === 'https:' ? '443' : '80') : port;
  const flags = actual === PORT ? [] : ['--', '--port', actual];
  return commandLine(['cargo', 'run', '-p', 'local', ...flags]);
}

function commandLine(words: readonly string[]): string {
  return words.map(quoted).join(' ');
}

/** The word as a shell reads it. */
function quoted(word: string): string {
  return /^[\w./:@%+,=-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}
