/** Values of a row's columns, their JSON and their order. Mirrors `windrow_core::value`. */

import type { ColumnType } from '../schema.ts';
import { formatDecimal, toDecimal, type Unscaled } from './decimal.ts';
import { asText } from './fields.ts';
import { parseExactTime, parseExactTimeNumber } from './time.ts';

/**
 * A value of a column. The integer of a number, without its point; a float; a timestamp as text, to
 * the nanosecond; `null` if there is none. The column's type says which it is.
 */
export type Value = string | Unscaled | boolean | null;

/** The smallest and the largest absolute value of a number in DynamoDB, other than 0. */
const LEAST_FLOAT = 1e-130;
const MOST_FLOAT = 9.9e125;

/**
 * Parses a field as JSON.parse returned it. `text` returns a number as it is in the line.
 * `undefined` if it has another type or is out of range. A missing field is `null`.
 */
export function parseValue(type: ColumnType, field: unknown, text: () => string | undefined): Value | undefined {
  if (field === undefined || field === null) return null;
  switch (type.kind) {
    case 'text':
      return field === '' ? undefined : asText(field);
    case 'number': {
      const unscaled = typeof field === 'number' ? toDecimal(field, type.scale, text) : undefined;
      return unscaled !== undefined && unscaled >= type.lowest && unscaled <= type.highest ? unscaled : undefined;
    }
    case 'float':
      // Adding zero makes the negative zero positive.
      return typeof field === 'number' && isFloat(field) ? field + 0 : undefined;
    case 'boolean':
      return typeof field === 'boolean' ? field : undefined;
    case 'timestamp':
      if (typeof field === 'number') return parseExactTimeNumber(text() ?? '');
      return typeof field === 'string' ? parseExactTime(field) : undefined;
  }
}

/** Whether a table can hold the float. JSON.parse returns infinity for `1e999`. */
function isFloat(value: number): boolean {
  const absolute = Math.abs(value);
  return value === 0 || (absolute >= LEAST_FLOAT && absolute <= MOST_FLOAT);
}

/** The value as JSON, in the canonical form. */
export function formatValue(type: ColumnType, value: Value): string {
  if (value === null) return 'null';
  return type.kind === 'text' || type.kind === 'timestamp' ? JSON.stringify(displayValue(type, value)) : displayValue(type, value);
}

/** The value for people, exact and without quotes; `–` if there is none. */
export function displayValue(type: ColumnType, value: Value): string {
  if (value === null) return '–';
  if (type.kind === 'number' && typeof value !== 'string' && typeof value !== 'boolean') return formatDecimal(value, type.scale);
  if (type.kind === 'float' && typeof value === 'number') return formatFloat(value);
  return String(value);
}

/** The value as a double, rounded, for a chart; `null` if it is no number. */
export function toDouble(type: ColumnType, value: Value): number | null {
  if (value === null || type.kind === 'text' || type.kind === 'timestamp') return null;
  return type.kind === 'number' ? Number(displayValue(type, value)) : Number(value);
}

/**
 * Compares two values of one column: below 0 if `one` is less. No value is less than any other, and
 * text is compared by code points, as UTF-8 is by bytes.
 */
export function compareValues(one: Value, other: Value): number {
  if (one === other) return 0;
  if (one === null) return -1;
  if (other === null) return 1;
  if (typeof one === 'string' && typeof other === 'string') return compareText(one, other);
  return one < other ? -1 : 1;
}

function compareText(one: string, other: string): number {
  const length = Math.min(one.length, other.length);
  for (let index = 0; index < length; index += 1) {
    const [a, b] = [one.charCodeAt(index), other.charCodeAt(index)];
    if (a !== b) return orderOf(a) - orderOf(b);
  }
  return one.length - other.length;
}

/** Surrogates stand for code points beyond all others. */
function orderOf(unit: number): number {
  if (unit >= 0xe000) return unit - 0x800;
  return unit >= 0xd800 ? unit + 0x2000 : unit;
}

/** The exponents of floats that serde_json writes without an `e`. */
const LEAST_PLAIN = -5;
const MOST_PLAIN = 15;

/** A float as serde_json writes it: `19.5`, `62.0`, `1e+16`, `1.5e-7`. */
function formatFloat(value: number): string {
  const scientific = value.toExponential();
  const exponent = Number(scientific.slice(scientific.indexOf('e') + 1));
  if (exponent < LEAST_PLAIN || exponent > MOST_PLAIN) return scientific;
  const plain = String(value);
  return plain.includes('.') ? plain : `${plain}.0`;
}
