/** The fields of a JSON object. A field that is missing is `undefined`. */
export type Fields = Readonly<Record<string, unknown>>;

/** The longest a name may be, in characters. */
const LONGEST_NAME = 256;

const LOWEST_INT32 = -(2 ** 31);
const HIGHEST_INT32 = 2 ** 31 - 1;

/** Reads a line that is one JSON object; `undefined` if it is not. Of two equal keys the last counts. */
export function parseObject(line: string): Fields | undefined {
  try {
    return asObject(JSON.parse(line));
  } catch {
    return undefined;
  }
}

/** The value if it is a JSON object. */
export function asObject(value: unknown): Fields | undefined {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
  return value as Fields;
}

/** The value if it is text of real characters only. */
export function asText(value: unknown): string | undefined {
  if (typeof value !== 'string' || /\p{Surrogate}/u.test(value)) return undefined;
  return value;
}

/** The value if it is a name: 1 to 256 characters of any script. */
export function asName(value: unknown): string | undefined {
  const name = asText(value);
  if (name === undefined || name.length === 0) return undefined;
  // Counting characters is only needed where there are more code units than characters allowed.
  if (name.length > LONGEST_NAME && [...name].length > LONGEST_NAME) return undefined;
  return name;
}

/** Whether the value is an integer of 32 bits; `150.0` and `1.5e2` are integers. */
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
