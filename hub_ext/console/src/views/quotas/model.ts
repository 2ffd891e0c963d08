/** What the view *Quotas* knows, as long as the page is open: also while another view is shown. */
import { messageOf, type Client } from '../../api/client';
import type {
  Applied,
  QuotaCheck,
  QuotaInForce,
  QuotaPreview,
  QuotaTree,
  RevisionInfo
} from '../../api/types';
import { Question } from '../../model/asked';
import type { Console } from '../../model/console';
import { Store } from '../../model/store';
import { PastDays } from './past';

/** The document that a draft was made from. */
export interface Base {
  /** `null`: it is in a file, and not to be changed here; or it is a part. */
  readonly revision: number | null;
  /** By what the part is known; `null`: it is all. */
  readonly part: string | null;
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

/** What would follow if a text were in force; of another text it tells nothing. */
export interface Previewed {
  readonly text: string;
  /** `null`: it is being reckoned, or could not be. */
  readonly preview: QuotaPreview | null;
  readonly problem: string | null;
}

export function isChanged(draft: Draft): boolean {
  return draft.base !== null && draft.text !== draft.base.text;
}

/** Whether the document in force is another than the one that the draft was made from. */
export function isBehind(draft: Draft, quota: QuotaInForce): boolean {
  return isChanged(draft) && draft.base !== null && !isOf(draft.base, quota);
}

/** Whether the document in force is this one: a part is known by what it says alone. */
function isOf(base: Base, quota: Base): boolean {
  return quota.part === null ? base.revision === quota.revision : base.part === quota.part;
}

export class Quotas {
  readonly quota: Question<QuotaInForce>;
  readonly tree: Question<QuotaTree>;
  readonly revisions: Question<readonly RevisionInfo[]>;
  readonly draft = new Store<Draft>({ base: null, text: '' });
  readonly checked = new Store<Checked | null>(null);
  readonly previewed = new Store<Previewed | null>(null);
  readonly past: PastDays;
  private readonly client: Client;

  constructor(
    console: Console,
    /** Of which group with all below it; `null`: of all. */
    readonly group: string | null = null
  ) {
    const { client } = console;
    const asked = group === null ? {} : { group };
    this.client = client;
    this.past = new PastDays(client, console.trans);
    this.quota = new Question(() => client.getIfChanged('/quota', asked));
    this.tree = new Question(() => client.getIfChanged('/quota/tree', asked));
    this.revisions = new Question(() => client.get('/quota/revisions', asked));
    let before: QuotaInForce | null = null;
    this.quota.store.watch(() => {
      const inForce = this.quota.store.value.value;
      if (inForce !== null) {
        this.follow(inForce);
        if (before !== null && before !== inForce && this.tree.store.isWatched) {
          // Another document is another tree.
          void this.tree.refresh();
        }
        before = inForce;
      }
    });
  }

  write(text: string): void {
    const draft = this.draft.value;
    if (draft.text !== text) {
      this.past.follow(text);
      this.draft.set({ ...draft, text });
    }
  }

  /** Ask what would follow if this text were in force. */
  async preview(text: string): Promise<void> {
    this.previewed.set({ text, preview: null, problem: null });
    const tell = (preview: QuotaPreview | null, problem: string | null): void => {
      if (this.previewed.value?.text === text) {
        this.previewed.set({ text, preview, problem });
      }
    };
    try {
      tell(await this.client.post('/quota/preview', { text }), null);
    } catch (error) {
      tell(null, messageOf(error));
    }
  }

  /** Put the draft in force; `null`: it is behind, and nothing was done. */
  async apply(reason: string): Promise<Applied | null> {
    const inForce = this.quota.store.value.value;
    if (inForce !== null && isBehind(this.draft.value, inForce)) {
      return null;
    }
    const { text, base } = this.draft.value;
    const expect = base?.part == null ? (base?.revision ?? 0) : null;
    const asked = { text, reason, expect, expect_part: base?.part ?? null };
    const done = await this.client.post('/quota/revisions', asked);
    this.applied({ revision: done.about?.revision ?? null, part: done.part, text });
    return done;
  }

  /** Begin anew with what is in force. */
  drop(quota: QuotaInForce): void {
    this.draft.set({ base: baseOf(quota), text: quota.text });
  }

  /** Go on with this text as one made from what is in force: whoever says so has seen that. */
  rebase(quota: QuotaInForce, text: string): void {
    this.draft.set({ base: baseOf(quota), text });
  }

  /** A text that was sent is in force: what was written since goes on from there. */
  applied(base: Base): void {
    this.draft.set({ ...this.draft.value, base });
    // What would follow has followed.
    if (this.previewed.value?.text === base.text) {
      this.previewed.set(null);
    }
  }

  /**
   * A draft in which nothing was written is what is in force, whoever puts that there; and one
   * made from the same words is as good as made from them now: of a group nothing else is seen.
   */
  private follow(quota: QuotaInForce): void {
    const draft = this.draft.value;
    const base = baseOf(quota);
    if (!isChanged(draft)) {
      if (draft.base === null || !isOf(draft.base, base) || draft.base.text !== base.text) {
        this.draft.set({ base, text: base.text });
      }
    } else if (draft.text === base.text || draft.base?.text === base.text) {
      this.draft.set({ base, text: draft.text });
    }
  }
}

function baseOf(quota: QuotaInForce): Base {
  return { revision: quota.revision, part: quota.part, text: quota.text };
}

const OF_CONSOLES = new WeakMap<Console, Map<string | null, Quotas>>();

/** Of a group, or of all (`null`): each with a draft of its own. */
export function quotasOf(console: Console, group: string | null): Quotas {
  const known = OF_CONSOLES.get(console) ?? new Map<string | null, Quotas>();
  OF_CONSOLES.set(console, known);
  let found = known.get(group);
  if (found === undefined) {
    found = new Quotas(console, group);
    known.set(group, found);
  }
  return found;
}

/** Whether anything was written that is in force nowhere. */
export function isAnyChanged(console: Console): boolean {
  const known = OF_CONSOLES.get(console);
  return known !== undefined && [...known.values()].some(each => isChanged(each.draft.value));
}
