/** What the view *Quotas* knows, as long as the page is open: also while another view is shown. */
import type { QuotaCheck, QuotaInForce, QuotaTree, RevisionInfo } from '../../api/types';
import { Question } from '../../model/asked';
import type { Console } from '../../model/console';
import { Store } from '../../model/store';

/** The document that a draft was made from. */
export interface Base {
  /** `null`: it is in a file, and not to be changed here. */
  readonly revision: number | null;
  readonly text: string;
}

export interface Draft {
  /** `null` until the document in force is known. */
  readonly base: Base | null;
  readonly text: string;
}

/** What is wrong with a text; of another text it tells nothing. */
export interface Checked {
  readonly text: string;
  readonly check: QuotaCheck;
}

export function isChanged(draft: Draft): boolean {
  return draft.base !== null && draft.text !== draft.base.text;
}

/** Whether the document in force is another than the one that the draft was made from. */
export function isBehind(draft: Draft, quota: QuotaInForce): boolean {
  return isChanged(draft) && draft.base?.revision !== quota.revision;
}

export class Quotas {
  readonly quota: Question<QuotaInForce>;
  readonly tree: Question<QuotaTree>;
  readonly revisions: Question<readonly RevisionInfo[]>;
  readonly draft = new Store<Draft>({ base: null, text: '' });
  readonly checked = new Store<Checked | null>(null);

  constructor(console: Console) {
    const { client } = console;
    this.quota = new Question(() => client.get('/quota'));
    this.tree = new Question(() => client.get('/quota/tree'));
    this.revisions = new Question(() => client.get('/quota/revisions'));
    this.quota.store.watch(() => {
      const inForce = this.quota.store.value.value;
      if (inForce !== null) {
        this.follow(inForce);
      }
    });
  }

  write(text: string): void {
    const draft = this.draft.value;
    if (draft.text !== text) {
      this.draft.set({ ...draft, text });
    }
  }

  /** Begin anew with what is in force. */
  drop(quota: QuotaInForce): void {
    this.draft.set({ base: baseOf(quota), text: quota.text });
  }

  /** Go on with this text as one made from what is in force: whoever says so has seen that. */
  rebase(quota: QuotaInForce, text: string): void {
    this.draft.set({ base: baseOf(quota), text });
  }

  /** A draft in which nothing was written is what is in force, whoever puts that there. */
  private follow(quota: QuotaInForce): void {
    const draft = this.draft.value;
    const base = baseOf(quota);
    if (!isChanged(draft)) {
      if (draft.base?.revision !== base.revision || draft.base.text !== base.text) {
        this.draft.set({ base, text: base.text });
      }
    } else if (draft.text === base.text) {
      this.draft.set({ base, text: base.text });
    }
  }
}

function baseOf(quota: QuotaInForce): Base {
  return { revision: quota.revision, text: quota.text };
}

const OF_CONSOLES = new WeakMap<Console, Quotas>();

export function quotasOf(console: Console): Quotas {
  let found = OF_CONSOLES.get(console);
  if (found === undefined) {
    found = new Quotas(console);
    OF_CONSOLES.set(console, found);
  }
  return found;
}
