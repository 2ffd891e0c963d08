/** All that the page knows: who looks, what the stream told, and what was asked. */
import type { TranslationBundle } from '@sublet-lab/format/translation';
import { createContext, useContext } from 'react';

import { AskError, Client, messageOf } from '../api/client';
import { Changes } from '../api/stream';
import type { Announcement, Job, Lending, Share, Topic, Waits } from '../api/types';
import { bundleOf } from '../words/bundle';
import { Question } from './asked';
import { CardStore } from './cards';
import type { Session } from './session';
import { Store } from './store';

const TOO_MANY = 429;
const WAITS_REST_MS = 3000;

export class Console {
  readonly client: Client;
  readonly cards = new CardStore();
  readonly share: Question<Share>;
  readonly jobs: Question<readonly Job[]>;
  readonly lending: Question<Lending>;
  /** What admins tell owners: for admins, while a part of the page shows it. */
  readonly notices: Question<readonly Announcement[]>;
  /** How often it was told that the quota document in force is another. */
  readonly quotaTold = new Store(0);
  /** The groups of the quota document that this user administers, who sees not all. */
  readonly groups: Store<readonly string[]>;
  /** Why nothing is told of changes at the moment; `null`: it is. */
  readonly lost = new Store<string | null>(null);
  private readonly changes: Changes;
  private readonly waitsKnown = new Map<string | null, Question<Waits>>();

  constructor(
    readonly session: Session,
    client: Client | null = null,
    readonly trans: TranslationBundle = bundleOf()
  ) {
    const asks = client ?? new Client(session.prefix, undefined, undefined, trans);
    this.client = asks;
    this.share = new Question(() => asks.get('/share'));
    this.jobs = new Question(() => asks.get('/jobs', { owner: session.name }));
    this.lending = new Question(() => asks.get('/lending'));
    this.notices = new Question(() => asks.get('/announcements'));
    this.groups = new Store(session.groups);
    this.changes = new Changes(
      asks,
      {
        cards: changed => {
          this.cards.take(changed);
        },
        topics: changed => {
          changed.topics.forEach(this.refresh);
        },
        opened: () => {
          this.cards.restart();
          this.lost.set(null);
        },
        lost: error => {
          if (error instanceof AskError && error.status === TOO_MANY) {
            this.askOnce();
          }
          // What a browser says of a connection that broke is different in each.
          this.lost.set(
            error instanceof AskError
              ? messageOf(error)
              : this.trans.__('The connection to the service ended.')
          );
        }
      },
      () => session.sees_all && this.cards.store.isWatched
    );
    asks.onAway = () => {
      this.changes.doubt();
    };
    this.cards.store.onWatched = () => {
      this.changes.cardsAreShown();
    };
  }

  /**
   * Who waits for whom, of a group with all below it; `null`: of all for who sees that, else of
   * one's own. Asked while a part of the page shows it.
   */
  waitsOf(group: string | null): Question<Waits> {
    let found = this.waitsKnown.get(group);
    if (found === undefined) {
      const asked = group !== null ? { group } : this.session.sees_all ? { all: 1 } : {};
      found = new Question(() => this.client.get('/waits', asked), WAITS_REST_MS);
      this.waitsKnown.set(group, found);
    }
    return found;
  }

  start(): void {
    this.changes.start();
  }

  stop(): void {
    this.changes.stop();
  }

  /** Where no stream is to be had, the page is at least as of now. */
  private askOnce(): void {
    (['share', 'jobs', 'waits', 'lending'] as const).forEach(this.refresh);
    if (this.session.sees_all && this.cards.store.isWatched) {
      void this.client.get('/gpus').then(
        cards => {
          this.cards.restart();
          this.cards.take({ cards, gone: [], complete: true });
        },
        () => undefined
      );
    }
  }

  /** Another document may give other groups, or none; who sees all needs none. */
  private async askGroups(): Promise<void> {
    if (this.session.sees_all) {
      return;
    }
    const before = this.groups.value;
    const told = await this.client.get('/role').catch(() => null);
    if (told !== null && JSON.stringify(told.groups) !== JSON.stringify(before)) {
      this.groups.set(told.groups);
    }
  }

  private readonly refresh = (topic: Topic): void => {
    switch (topic) {
      case 'share':
        void this.share.refresh();
        break;
      case 'jobs':
        void this.jobs.refresh();
        break;
      case 'lending':
        void this.lending.refresh();
        break;
      case 'notices':
        if (this.notices.store.isWatched) {
          void this.notices.refresh();
        }
        break;
      case 'quota':
        this.quotaTold.set(this.quotaTold.value + 1);
        void this.askGroups();
        break;
      case 'waits':
        for (const each of this.waitsKnown.values()) {
          if (each.store.isWatched) {
            void each.refresh();
          }
        }
        break;
      case 'evictions':
        break;
    }
  };
}

const Context = createContext<Console | null>(null);

export const ConsoleProvider = Context.Provider;

export function useConsole(): Console {
  const found = useContext(Context);
  if (found === null) {
    throw new Error('a part of the page stands outside of ConsoleProvider');
  }
  return found;
}
