/** The lines of a record. */
export interface Lines {
  /** Those that are not blank, without their ends. */
  readonly lines: readonly string[];
  /** How many more are not UTF-8; 1 for a record that is not made of lines at all. */
  readonly rejected: number;
}

const REJECTED: Lines = { lines: [], rejected: 1 };

/**
 * The bytes with which a record of the Kinesis Producer Library's aggregation starts.
 *
 * Source: `aggregation-format.md` of the amazon-kinesis-producer repository.
 */
const KPL_MAGIC = [0xf3, 0x89, 0x9a, 0xc2];

const NEWLINE = 0x0a;

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/**
 * Takes a record apart into lines.
 *
 * A line that is not UTF-8 is rejected and harms no other. A record that holds nothing but blank
 * lines is rejected as one, and so is one of the Kinesis Producer Library's aggregation.
 */
export function splitLines(data: Uint8Array): Lines {
  if (KPL_MAGIC.every((byte, place) => data[place] === byte)) return REJECTED;
  const text = decode(data);
  if (text === undefined) return splitBytes(data);
  const lines = text.split('\n').filter((line) => !isBlank(line));
  return lines.length === 0 ? REJECTED : { lines, rejected: 0 };
}

/** As {@link splitLines}, for a record of which some line is not UTF-8. */
function splitBytes(data: Uint8Array): Lines {
  const lines: string[] = [];
  let rejected = 0;
  let start = 0;
  while (start < data.length) {
    const newline = data.indexOf(NEWLINE, start);
    const end = newline < 0 ? data.length : newline;
    const line = decode(data.subarray(start, end));
    if (line === undefined) rejected += 1;
    else if (!isBlank(line)) lines.push(line);
    start = end + 1;
  }
  return { lines, rejected };
}

function decode(bytes: Uint8Array): string | undefined {
  try {
    return decoder.decode(bytes);
  } catch {
    return undefined;
  }
}

function isBlank(line: string): boolean {
  return /^[ \t\r\f]*$/.test(line);
}
