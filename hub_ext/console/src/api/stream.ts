/**
 * Follows the service's stream of changes while the page is in sight.
 *
 * By `fetch`, since an `EventSource` cannot send the header that shows whose page it is.
 */
import type { Client } from './client';
import { AskError } from './client';
import { readEvents } from './events';
import type { CardsChanged, TopicsChanged } from './types';

export interface Listener {
  cards: (changed: CardsChanged) => void;
  topics: (changed: TopicsChanged) => void;
  /** The stream is open: what comes next is all that there is. */
  opened: () => void;
  /** It is not, and this is why; `null` where it was closed on purpose. */
  lost: (error: unknown) => void;
}

const FIRST_REST_MS = 1000;
const LONGEST_REST_MS = 30_000;
/**
 * The service sends something every 5 seconds, unless the hub keeps it waiting: after so long it is
 * gone, or the network has lost the connection.
 */
const LONGEST_SILENCE_MS = 30_000;

export class Changes {
  private controller: AbortController | null = null;
  private timer: number | undefined;
  private rest_ms = FIRST_REST_MS;
  private started = false;
  private isOpen = false;
  /** Whether the stream that is open tells of cards. */
  private withCards = false;

  constructor(
    private readonly client: Client,
    private readonly listener: Listener,
    /** Whether the page shows cards: only then they are asked for. */
    private readonly showsCards: () => boolean
  ) {}

  start(): void {
    this.started = true;
    document.addEventListener('visibilitychange', this.look);
    this.look();
  }

  stop(): void {
    this.started = false;
    document.removeEventListener('visibilitychange', this.look);
    this.close();
  }

  /** The page begins to show cards: a stream without them is followed no longer. */
  cardsAreShown(): void {
    const told = this.controller !== null && this.withCards;
    if (this.started && !told && this.showsCards()) {
      this.close();
      this.look();
    }
  }

  /**
   * The service was not there when something else was asked: a stream that seems open is none.
   * A proxy may hold it long after what it came from has ended.
   */
  doubt(): void {
    if (this.isOpen) {
      this.controller?.abort();
    }
  }

  private readonly look = (): void => {
    if (document.hidden) {
      this.close();
    } else if (this.controller === null) {
      void this.follow();
    }
  };

  private close(): void {
    window.clearTimeout(this.timer);
    this.controller?.abort();
    this.controller = null;
    this.isOpen = false;
  }

  private async follow(): Promise<void> {
    const controller = new AbortController();
    this.controller = controller;
    this.withCards = this.showsCards();
    const asked = this.withCards ? {} : { cards: 0 };
    let error: unknown = null;
    try {
      const answer = await this.client.open('/changes', controller.signal, asked);
      this.rest_ms = FIRST_REST_MS;
      this.isOpen = this.controller === controller;
      this.listener.opened();
      await this.read(answer, controller);
    } catch (caught) {
      error = caught;
    }
    if (this.controller !== controller) {
      return;
    }
    this.controller = null;
    this.isOpen = false;
    this.listener.lost(error);
    // Who may no longer look is not let in by asking again soon.
    const denied = error instanceof AskError && [401, 403].includes(error.status);
    this.timer = window.setTimeout(this.look, denied ? LONGEST_REST_MS : this.rest_ms);
    this.rest_ms = Math.min(LONGEST_REST_MS, 2 * this.rest_ms);
  }

  private read(answer: Response, controller: AbortController): Promise<void> {
    return readEvents(answer, controller, LONGEST_SILENCE_MS, (event, data) => {
      if (event === 'cards') {
        this.listener.cards(JSON.parse(data) as CardsChanged);
      } else if (event === 'changed') {
        this.listener.topics(JSON.parse(data) as TopicsChanged);
      }
    });
  }
}
