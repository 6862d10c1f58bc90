/** The lines of a record. */
export interface Lines {
  /** Lines that are not blank, without their line ends. */
  readonly lines: readonly string[];
  /** How many lines are not UTF-8; 1 if the record has no lines at all. */
  readonly rejected: number;
}

const REJECTED: Lines = { lines: [], rejected: 1 };

/**
 * The first bytes of a record in the Kinesis Producer Library's aggregation format.
 *
 * Source: `aggregation-format.md` of the amazon-kinesis-producer repository.
 */
const KPL_MAGIC = [0xf3, 0x89, 0x9a, 0xc2];

const NEWLINE = 0x0a;

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/**
 * Splits a record into lines.
 *
 * A line that is not UTF-8 is rejected alone. A record with only blank lines, or in the Kinesis
 * Producer Library's aggregation format, counts as one rejected line.
 */
export function splitLines(data: Uint8Array): Lines {
  if (KPL_MAGIC.every((byte, index) => data[index] === byte)) return REJECTED;
  const text = decode(data);
  if (text === undefined) return splitBytes(data);
  const lines = text.split('\n').filter((line) => !isBlank(line));
  return lines.length === 0 ? REJECTED : { lines, rejected: 0 };
}

/** Like {@link splitLines}, for a record with a line that is not UTF-8. */
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
