/** Which streams the page reads, and how it is let in. */
export interface Config {
  readonly region: string;
  /** The stream of readings. */
  readonly stream: string;
  /** The stream of summary rows. */
  readonly summaryStream: string;
  /** The Cognito identity pool whose guests may read both. On AWS. */
  readonly identityPoolId?: string;
  /** Where Kinesis answers. Of a local cloud, which asks nobody who they are. */
  readonly endpoint?: string;
  /** An online base map in place of the one that comes with the page. */
  readonly tiles?: Tiles;
}

/** A source of raster tiles. */
export interface Tiles {
  /** With `{z}`, `{x}` and `{y}`. */
  readonly url: string;
  /** Whom to thank, as text. */
  readonly attribution: string;
  /** How many pixels a tile is wide; 256 unless said. */
  readonly size?: number;
  /** The deepest zoom there are tiles for; 19 unless said. */
  readonly maxZoom?: number;
}
