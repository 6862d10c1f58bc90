/** The card of the unicorn that was chosen. */

import { LOW_VITALS, type Sighting } from '../fleet/fleet.ts';
import { element, make, setText } from './dom.ts';
import { ago, position, speed, statusTime } from './words.ts';

/** Events of the card. */
export interface CardEvents {
  onClose(): void;
  /** Whether the map should keep the unicorn in its centre. */
  onFollow(follows: boolean): void;
}

/** The card of the selected unicorn. */
export class Card {
  private readonly root = element('card', HTMLElement);
  private readonly name = make('h2');
  private readonly follow = make('button', { class: 'follow', text: 'Follow' });
  private readonly speed = make('dd');
  private readonly health = make('dd');
  private readonly magic = make('dd');
  private readonly location = make('dd');
  private readonly lastHeard = make('dd');

  constructor(events: CardEvents) {
    this.name.id = 'card-name';
    const close = make('button', { class: 'plain close', text: '✕', title: 'Close' });
    close.type = 'button';
    close.setAttribute('aria-label', 'Close the card');
    close.addEventListener('click', () => events.onClose());
    this.follow.type = 'button';
    this.follow.addEventListener('click', () => {
      const follows = this.follow.getAttribute('aria-pressed') !== 'true';
      this.setFollow(follows);
      events.onFollow(follows);
    });
    this.setFollow(false);
    const rows = [
      ['Speed', this.speed],
      ['Health', this.health],
      ['Magic', this.magic],
      ['Position', this.location],
      ['Last heard', this.lastHeard],
    ] as const;
    const facts = make('dl', {}, ...rows.flatMap(([term, value]) => [make('dt', { text: term }), value]));
    this.root.append(make('div', { class: 'top' }, this.name, close), facts, this.follow);
  }

  show(sighting: Sighting): void {
    this.root.hidden = false;
    this.follow.hidden = false;
    setText(this.name, sighting.name);
    setText(this.speed, speed(sighting.speed));
    this.setVital(this.health, sighting.health);
    this.setVital(this.magic, sighting.magic);
    setText(this.location, position(sighting.latitude, sighting.longitude));
    setText(this.lastHeard, `${ago(sighting.silence)} (${statusTime(sighting.statusTime)})`);
    this.root.classList.toggle('silent', sighting.isSilent);
  }

  /** Shows that there are no readings of a unicorn. */
  showUnknown(name: string): void {
    this.root.hidden = false;
    this.follow.hidden = true;
    setText(this.name, name);
    for (const value of [this.speed, this.health, this.magic, this.location]) {
      value.classList.remove('low');
      setText(value, '–');
    }
    setText(this.lastHeard, 'not since this page is open');
    this.root.classList.add('silent');
  }

  hide(): void {
    this.root.hidden = true;
    this.setFollow(false);
  }

  setFollow(follows: boolean): void {
    this.follow.setAttribute('aria-pressed', String(follows));
  }

  private setVital(target: HTMLElement, points: number): void {
    const low = points < LOW_VITALS;
    target.classList.toggle('low', low);
    setText(target, low ? `${points}, below ${LOW_VITALS}` : String(points));
  }
}
