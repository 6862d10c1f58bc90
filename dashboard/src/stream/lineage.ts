import type { Shard } from './kinesis.ts';

type State =
  /** Listed, and waiting for its parents. */
  | { readonly kind: 'waiting'; readonly parents: readonly string[] }
  /** Returned by `ready`, and not yet read to its end. */
  | { readonly kind: 'started' }
  | { readonly kind: 'finished'; readonly at: number };

/**
 * A shard that is listed as open this many milliseconds after it was read to its end is a new one:
 * the stream was deleted and recreated. Before that, the listing may just be out of date.
 */
const SETTLE_MILLIS = 60_000;

/**
 * Decides which shards may be read: those whose parents were all read to their end.
 *
 * Each shard is returned once, however often it is listed. A parent that is not listed, because its
 * records have expired, does not block its children. Mirrors `windrow_read::lineage::Lineage`.
 */
export class Lineage {
  readonly #shards = new Map<string, State>();

  /**
   * Applies a complete listing made at `now`, in milliseconds. A waiting shard that is no longer
   * listed is dropped. A finished shard that is listed as open counts as new.
   */
  update(listing: readonly Shard[], now: number): void {
    const listed = new Set(listing.map((shard) => shard.id));
    for (const [id, state] of this.#shards) {
      if (state.kind === 'waiting' && !listed.has(id)) this.#shards.delete(id);
    }
    for (const { id, parents, isClosed } of listing) {
      const state = this.#shards.get(id);
      const isRecreated = state?.kind === 'finished' && !isClosed && now - state.at > SETTLE_MILLIS;
      if (state === undefined || isRecreated) this.#shards.set(id, { kind: 'waiting', parents });
    }
  }

  /** The ids, sorted, of the shards that may be read now. Each is returned once. */
  ready(): string[] {
    const ready: string[] = [];
    for (const [id, state] of this.#shards) {
      if (state.kind !== 'waiting') continue;
      if (!state.parents.some((parent) => this.#isUnread(parent))) ready.push(id);
    }
    for (const id of ready) this.#shards.set(id, { kind: 'started' });
    return ready.sort();
  }

  /** Marks a shard as read to its end at `now`, in milliseconds. */
  finish(id: string, now: number): void {
    this.#shards.set(id, { kind: 'finished', at: now });
  }

  /** Removes a shard: if it is listed again, it counts as new. */
  remove(id: string): void {
    this.#shards.delete(id);
  }

  #isUnread(id: string): boolean {
    const kind = this.#shards.get(id)?.kind;
    return kind === 'waiting' || kind === 'started';
  }
}
