/**
 * The columns of a sensor's rows, as `windrow_core::schema::Schema` has them, and their JSON.
 *
 *     {
 *       "key": [{"name": "Room", "type": "text", "nullable": true}],
 *       "time": "WindowStart",
 *       "measures": [
 *         {"name": "Mean", "kind": "average", "type": "number", "scale": 2, "places": 3},
 *         {"name": "Lowest", "kind": "min", "type": "float", "nullable": true}
 *       ]
 *     }
 *
 * - `type` is `text`, `number`, `float`, `boolean` or `timestamp`. A number is an integer divided by
 *   10^`scale`. The integer is between `lowest` and `highest`, which are strings since a JSON number
 *   may be a double; without them, it has 128 bits.
 * - `kind` is `sum`, `min`, `max`, `average`, `first` or `last`. Sums and averages are of numbers. For
 *   an average, `type`, `scale` and the bounds are those of its values; `places` is how many digits it
 *   has after the point.
 * - `nullable` says whether a value may be missing. Without it, none may.
 */

/** The columns of a sensor's rows. */
export interface Schema {
  readonly key: readonly KeyColumn[];
  /** The name of the column with the window's start. */
  readonly time: string;
  readonly measures: readonly MeasureColumn[];
}

export interface KeyColumn {
  readonly name: string;
  readonly type: ColumnType;
  readonly nullable: boolean;
}

export interface MeasureColumn {
  readonly name: string;
  readonly kind: MeasureKind;
  /** The type of the finished value. */
  readonly type: ColumnType;
  /** The type of the values that are averaged. For other measures it is `type`. */
  readonly of: ColumnType;
  readonly nullable: boolean;
}

/** How a measure is computed, and so how two rows' measures are merged. */
export type MeasureKind = 'sum' | 'min' | 'max' | 'average' | 'first' | 'last';

export type ColumnType = NumberType | { readonly kind: 'text' | 'float' | 'boolean' | 'timestamp' };

/** An exact number: an integer from `lowest` to `highest`, divided by 10^`scale`. */
export interface NumberType {
  readonly kind: 'number';
  readonly scale: number;
  readonly lowest: bigint;
  readonly highest: bigint;
}

/** The bounds of 128 bits. */
const LOWEST = -(2n ** 127n);
const HIGHEST = 2n ** 127n - 1n;

/** The most digits after a number's point. */
const MOST_PLACES = 18;

/** More columns than this are not a schema, but a mistake. */
const MOST_COLUMNS = 200;

/** Names that every row uses for itself, in the stream or in the table. */
const RESERVED = ['Source', 'Key', 'ExpiresAt'];

const KINDS: readonly string[] = ['sum', 'min', 'max', 'average', 'first', 'last'] satisfies MeasureKind[];

/** A schema is invalid. The message is for its author. */
export class InvalidSchema extends Error {}

/** Any number with up to `scale` digits after the point. */
export function anyNumber(scale: number): NumberType {
  return { kind: 'number', scale, lowest: LOWEST, highest: HIGHEST };
}

/** Parses the JSON of a schema. Throws {@link InvalidSchema}. */
export function parseSchema(value: unknown): Schema {
  const schema = fieldsOf(value, 'the schema', ['key', 'time', 'measures']);
  const key = listOf(schema['key'], 'key').map((column, index) => parseKey(column, `key[${index}]`));
  const time = nameOf(schema['time'], 'time');
  const measures = listOf(schema['measures'], 'measures').map((column, index) =>
    parseMeasure(column, `measures[${index}]`),
  );
  const names = [...key.map(({ name }) => name), time, ...measures.map(({ name }) => name)];
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) throw new InvalidSchema(`two columns are called ${twice}`);
  return { key, time, measures };
}

type Fields = Readonly<Record<string, unknown>>;

const TYPE_FIELDS = ['type', 'scale', 'lowest', 'highest', 'nullable'];

function parseKey(value: unknown, where: string): KeyColumn {
  const fields = fieldsOf(value, where, ['name', ...TYPE_FIELDS]);
  const name = nameOf(fields['name'], `${where}.name`);
  return { name, type: parseType(fields, name), nullable: flagOf(fields['nullable'], name) };
}

function parseMeasure(value: unknown, where: string): MeasureColumn {
  const fields = fieldsOf(value, where, ['name', 'kind', 'places', ...TYPE_FIELDS]);
  const name = nameOf(fields['name'], `${where}.name`);
  const kind = fields['kind'];
  if (!isKind(kind)) {
    throw new InvalidSchema(`${name}: the kind ${quote(kind)} is unknown to this page; expected ${KINDS.join(', ')}`);
  }
  const of = parseType(fields, name);
  const isNumeric = kind === 'sum' || kind === 'average';
  if (isNumeric && of.kind !== 'number') throw new InvalidSchema(`${name}: the ${kind} must be of numbers, not of ${of.kind} values`);
  const nullable = flagOf(fields['nullable'], name);
  const places = fields['places'];
  if (kind === 'average') return { name, kind, of, type: anyNumber(placesOf(places, `${name}: places`)), nullable };
  if (places !== undefined) throw new InvalidSchema(`${name}: places is only for averages`);
  return { name, kind, of, type: of, nullable };
}

function isKind(value: unknown): value is MeasureKind {
  return typeof value === 'string' && KINDS.includes(value);
}

function parseType(fields: Fields, name: string): ColumnType {
  const kind = fields['type'];
  switch (kind) {
    case 'number': {
      const scale = placesOf(fields['scale'], `${name}: scale`);
      const lowest = boundOf(fields['lowest'], `${name}: lowest`) ?? LOWEST;
      const highest = boundOf(fields['highest'], `${name}: highest`) ?? HIGHEST;
      if (lowest > highest) throw new InvalidSchema(`${name}: lowest is above highest`);
      return { kind, scale, lowest, highest };
    }
    case 'text':
    case 'float':
    case 'boolean':
    case 'timestamp':
      for (const field of ['scale', 'lowest', 'highest']) {
        if (fields[field] !== undefined) throw new InvalidSchema(`${name}: ${field} is only for numbers`);
      }
      return { kind };
    default:
      throw new InvalidSchema(
        `${name}: the type ${quote(kind)} is unknown to this page; expected text, number, float, boolean or timestamp`,
      );
  }
}

/** The fields of an object that has no others than those in `known`. */
function fieldsOf(value: unknown, where: string, known: readonly string[]): Fields {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new InvalidSchema(`${where} is not a JSON object`);
  }
  const unknown = Object.keys(value).find((name) => !known.includes(name));
  if (unknown !== undefined) throw new InvalidSchema(`${where} has the field ${quote(unknown)}, which is unknown to this page`);
  return value as Fields;
}

function listOf(value: unknown, where: string): readonly unknown[] {
  if (!Array.isArray(value)) throw new InvalidSchema(`${where} is not a list`);
  if (value.length > MOST_COLUMNS) throw new InvalidSchema(`${where} has ${value.length} columns, more than ${MOST_COLUMNS}`);
  return value;
}

function nameOf(value: unknown, where: string): string {
  if (typeof value !== 'string' || value === '') throw new InvalidSchema(`${where} is not a name`);
  if (RESERVED.includes(value)) {
    throw new InvalidSchema(`a column cannot be called ${value}: every row has an attribute of that name`);
  }
  return value;
}

function flagOf(value: unknown, name: string): boolean {
  if (value === undefined) return false;
  if (typeof value !== 'boolean') throw new InvalidSchema(`${name}: nullable is neither true nor false`);
  return value;
}

function placesOf(value: unknown, where: string): number {
  if (typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= MOST_PLACES) return value;
  throw new InvalidSchema(`${where} is not a whole number from 0 to ${MOST_PLACES}`);
}

function boundOf(value: unknown, where: string): bigint | undefined {
  if (value === undefined) return undefined;
  if (typeof value !== 'string' || !/^-?\d{1,39}$/.test(value)) {
    throw new InvalidSchema(`${where} is not a string of up to 39 digits`);
  }
  const bound = BigInt(value);
  if (bound < LOWEST || bound > HIGHEST) throw new InvalidSchema(`${where} exceeds 128 bits`);
  return bound;
}

function quote(value: unknown): string {
  return value === undefined ? '(none)' : JSON.stringify(value);
}
