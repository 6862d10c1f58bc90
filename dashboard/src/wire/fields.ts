/** The fields of a JSON object. A field that is missing is `undefined`. */
export type Fields = Readonly<Record<string, unknown>>;

/** The maximum length of a name, in characters. */
const MAX_NAME_CHARACTERS = 256;

const LOWEST_INT32 = -(2 ** 31);
const HIGHEST_INT32 = 2 ** 31 - 1;

/**
 * Parses a line that is one JSON object; `undefined` if it is not. The last of duplicate keys wins.
 */
export function parseObject(line: string): Fields | undefined {
  try {
    return asObject(JSON.parse(line));
  } catch {
    return undefined;
  }
}

/** A token of JSON: a string, a bracket or separator, or a number or literal. */
const TOKEN = /"(?:[^"\\]|\\.)*"|[{}[\],:]|[^\s{}[\],:"]+/g;

/**
 * The text of a number as it is in the line, with all its digits; `undefined` if the field is
 * missing. `path` is the field's name, after those of the objects around it.
 *
 * `line` must be a JSON object. Use it where a double is too short: JSON.parse rounds.
 */
export function numberText(line: string, ...path: readonly string[]): string | undefined {
  /** The current field of each object around the token. */
  const fields: unknown[] = [];
  let lastString: unknown;
  let found: string | undefined;
  for (const [token] of line.matchAll(TOKEN)) {
    if (token === '{' || token === '[') fields.push(undefined);
    else if (token === '}' || token === ']') fields.pop();
    else if (token === ',') fields[fields.length - 1] = undefined;
    else if (token === ':') fields[fields.length - 1] = lastString;
    else if (token.startsWith('"')) lastString = JSON.parse(token);
    else if (fields.length === path.length && path.every((name, depth) => fields[depth] === name)) found = token;
  }
  return found;
}

/** The numbers among the fields of a line, by name, each as {@link numberText} returns it. */
export function numberTexts(line: string): Map<string, string> {
  const texts = new Map<string, string>();
  let depth = 0;
  let name = '';
  let lastString = '';
  for (const [token] of line.matchAll(TOKEN)) {
    if (token === '{' || token === '[') depth += 1;
    else if (token === '}' || token === ']') depth -= 1;
    else if (depth !== 1 || token === ',') continue;
    else if (token === ':') name = JSON.parse(lastString) as string;
    else if (token.startsWith('"')) lastString = token;
    else if (/^[-\d]/.test(token)) texts.set(name, token);
  }
  return texts;
}

/** The value if it is a JSON object. */
export function asObject(value: unknown): Fields | undefined {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
  return value as Fields;
}

/** The value if it is a string without lone surrogates. */
export function asText(value: unknown): string | undefined {
  if (typeof value !== 'string' || /\p{Surrogate}/u.test(value)) return undefined;
  return value;
}

/** The value if it is a name: 1 to 256 characters of any script. */
export function asName(value: unknown): string | undefined {
  const name = asText(value);
  if (name === undefined || name.length === 0) return undefined;
  // A string never has more characters than code units, so most names need no counting.
  if (name.length > MAX_NAME_CHARACTERS && [...name].length > MAX_NAME_CHARACTERS) return undefined;
  return name;
}

/** Whether the value is a 32-bit integer; `150.0` and `1.5e2` are integers. */
export function isInt32(value: unknown): value is number {
  return isInteger(value, LOWEST_INT32, HIGHEST_INT32);
}

/** Whether the value is an integer from `lowest` to `highest`. */
export function isInteger(value: unknown, lowest: number, highest: number): value is number {
  return Number.isInteger(value) && isWithin(value, lowest, highest);
}

/** Whether the value is a number from `lowest` to `highest`. */
export function isWithin(value: unknown, lowest: number, highest: number): value is number {
  return typeof value === 'number' && value >= lowest && value <= highest;
}
