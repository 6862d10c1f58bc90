/** Which streams the page reads, and how it gets access. */
export interface Config {
  readonly region: string;
  /** The stream of readings. */
  readonly stream: string;
  /** The stream of summary rows. */
  readonly summaryStream: string;
  /** On AWS: the Cognito identity pool whose guests may read both streams. */
  readonly identityPoolId?: string;
  /** For a local cloud: the address of Kinesis. It needs no credentials. */
  readonly endpoint?: string;
  /**
   * The columns of the rows, for the table: JSON as `parseSchema` takes it. The map does not need it.
   */
  readonly schema?: unknown;
  /** The outputs of the application, for the table. */
  readonly outputs?: readonly Output[];
  /** An online base map instead of the built-in one. */
  readonly tiles?: Tiles;
}

/** An output, whose rows are in a stream of their own. */
export interface Output {
  readonly name: string;
  readonly stream: string;
  readonly columns: readonly string[];
  /** Whether it has finished rows of windows, which have revisions. */
  readonly hasWindows: boolean;
}

/** A source of raster tiles. */
export interface Tiles {
  /** The address of a tile, with the placeholders `{z}`, `{x}` and `{y}`. */
  readonly url: string;
  /** The credits to show, as plain text. */
  readonly attribution: string;
  /** The width of a tile in pixels. Default: 256. */
  readonly size?: number;
  /** The highest zoom level with tiles. Default: 19. */
  readonly maxZoom?: number;
}
