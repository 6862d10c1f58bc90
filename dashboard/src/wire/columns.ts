/** A column of numbers. */
export type Column = Float64Array<ArrayBuffer> | Uint32Array<ArrayBuffer> | Int32Array<ArrayBuffer>;

/** Copies `column` to the start of `larger`, and returns `larger`. */
export function grown<C extends Column>(column: C, larger: C): C {
  larger.set(column);
  return larger;
}
