import type { Shard } from './kinesis.ts';

type State =
  /** Listed, and waiting for its parents. */
  | { readonly kind: 'waiting'; readonly parents: readonly string[] }
  /** Named as ready, and not yet read to its end. */
  | { readonly kind: 'started' }
  | { readonly kind: 'finished'; readonly at: number };

/**
 * A shard that was read to its end so many milliseconds ago and is listed as open is another one: the stream was
 * deleted and made again. Until then the listing may be the older news.
 */
const SETTLED = 60_000;

/**
 * Which shards may be read now: those with every parent read to its end.
 *
 * Each is named once, however often it is listed. A parent that is not listed, because its records have
 * expired, holds nobody back. The twin of `shards::Lineage`.
 */
export class Lineage {
  readonly #shards = new Map<string, State>();

  /**
   * Takes in a whole listing, made at `now` in milliseconds. A shard that waits and is listed no longer is
   * dropped; one that ended and is open again counts as new.
   */
  update(listing: readonly Shard[], now: number): void {
    const listed = new Set(listing.map((shard) => shard.id));
    for (const [id, state] of this.#shards) {
      if (state.kind === 'waiting' && !listed.has(id)) this.#shards.delete(id);
    }
    for (const { id, parents, isClosed } of listing) {
      const state = this.#shards.get(id);
      const isOther = state?.kind === 'finished' && !isClosed && now - state.at > SETTLED;
      if (state === undefined || isOther) this.#shards.set(id, { kind: 'waiting', parents });
    }
  }

  /** The shards that may be read from now on, by id. Each is named only once. */
  ready(): string[] {
    const ready: string[] = [];
    for (const [id, state] of this.#shards) {
      if (state.kind !== 'waiting') continue;
      if (!state.parents.some((parent) => this.#holdsBack(parent))) ready.push(id);
    }
    for (const id of ready) this.#shards.set(id, { kind: 'started' });
    return ready.sort();
  }

  /** Says that a shard was read to its end, at `now` in milliseconds. */
  finish(id: string, now: number): void {
    this.#shards.set(id, { kind: 'finished', at: now });
  }

  /** Forgets a shard: if it is listed again, it is named again. */
  forget(id: string): void {
    this.#shards.delete(id);
  }

  #holdsBack(id: string): boolean {
    const kind = this.#shards.get(id)?.kind;
    return kind === 'waiting' || kind === 'started';
  }
}
