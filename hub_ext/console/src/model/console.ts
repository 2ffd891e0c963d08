/** All that the page knows: who looks, what the stream told, and what was asked. */
import { createContext, useContext } from 'react';

import { AskError, Client, messageOf } from '../api/client';
import { Changes } from '../api/stream';
import type { Announcement, Job, Lending, Share, Topic, Waits } from '../api/types';
import { bundleOf } from '../words/bundle';
import type { TranslationBundle } from '../words/translation';
import { Question } from './asked';
import { CardStore } from './cards';
import type { Session } from './session';
import { Store } from './store';

const TOO_MANY = 429;
const WAITS_REST_MS = 3000;

export class Console {
  readonly trans: TranslationBundle = bundleOf();
  readonly cards = new CardStore();
  readonly share: Question<Share>;
  readonly jobs: Question<readonly Job[]>;
  readonly lending: Question<Lending>;
  /** What admins tell owners: for admins, while a part of the page shows it. */
  readonly notices: Question<readonly Announcement[]>;
  /** How often it was told that the quota document in force is another. */
  readonly quotaTold = new Store(0);
  /** Who waits for whom: of all for admins. Asked while a part of the page shows it. */
  readonly waits: Question<Waits>;
  /** Why nothing is told of changes at the moment; `null`: it is. */
  readonly lost = new Store<string | null>(null);
  private readonly changes: Changes;

  constructor(
    readonly session: Session,
    readonly client: Client = new Client(session.prefix)
  ) {
    this.share = new Question(() => client.get('/share'));
    this.jobs = new Question(() => client.get('/jobs', { owner: session.name }));
    this.lending = new Question(() => client.get('/lending'));
    this.notices = new Question(() => client.get('/announcements'));
    this.waits = new Question(
      () => client.get('/waits', session.admin ? { all: 1 } : {}),
      WAITS_REST_MS
    );
    this.changes = new Changes(client, {
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
    });
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
    if (this.session.admin) {
      void this.client.get('/gpus').then(
        cards => {
          this.cards.restart();
          this.cards.take({ cards, gone: [], complete: true });
        },
        () => undefined
      );
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
        break;
      case 'waits':
        if (this.waits.store.isWatched) {
          void this.waits.refresh();
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
