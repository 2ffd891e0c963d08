/** All that this page knows of the caller's share, and who is told when it changes. */
import { PromiseDelegate, Token } from '@lumino/coreutils';
import type { IDisposable } from '@lumino/disposable';
import { Signal, type ISignal } from '@lumino/signaling';

import type { Announcement } from '../api/announcements';
import type { SubletApi } from '../api/client';
import { hasEnded, type Job } from '../api/jobs';
import type { LineWait } from '../api/line';
import type { KernelHolding, LocalShare } from '../api/local';
import type { Share, SliceHistory, SliceInfo } from '../api/share';
import type { Standing } from '../api/standing';
import { SeenChanges } from './changes';
import type { Parts } from './parts';
import { Watch, type Seen } from './watch';

const HISTORY_EVERY_S = 10;
const WHILE_MOVING_S = 0.5;
/** A return takes a second or two: who wants to see it has to look often, for a while. */
const IN_A_HURRY_S = 0.25;
const HURRY_FOR_MS = 4000;
/** Between service and page things change slower than between agent and page. */
const SERVICE_TIMES = 2.5;

export interface ShareModelOptions {
  api: SubletApi;
  /** The name of this server; empty for the default one. */
  serverName: string;
  interval_s: number;
  /** Whom this server can ask, as its page says: nobody else is asked. */
  parts: Parts;
}

export class ShareModel implements IDisposable {
  constructor(options: ShareModelOptions) {
    this.api = options.api;
    this.serverName = options.serverName;
    this.interval_s = options.interval_s;
    const { service, agent } = options.parts;
    const service_s = this.interval_s * SERVICE_TIMES;
    const always = (): boolean => true;
    const inPanel = (): boolean => this.readers > 0;
    this._local = new Watch({
      name: 'local-share',
      there: agent,
      ask: () => this.api.localShare(),
      interval_s: this.interval_s,
      wanted: always
    });
    this._share = new Watch({
      name: 'share',
      there: service,
      ask: () => this.api.share(),
      interval_s: service_s,
      wanted: always
    });
    this._jobs = new Watch({
      name: 'jobs',
      there: service,
      ask: () => this.askedJobs(),
      interval_s: service_s,
      wanted: () => inPanel() || this.jobsAreOpen() || this.jobsAreAwaited
    });
    this._line = new Watch({
      name: 'queue',
      there: service,
      ask: () => this.api.line(),
      interval_s: service_s,
      wanted: () => inPanel() && this.waitsInLine
    });
    this._kernels = new Watch({
      name: 'kernels',
      there: agent,
      ask: () => this.api.kernels(),
      interval_s: service_s,
      wanted: inPanel
    });
    this._history = new Watch({
      name: 'history',
      there: service,
      ask: () => this.askHistory(),
      interval_s: HISTORY_EVERY_S,
      wanted: () => inPanel() && this.sliceId !== null
    });
    for (const watch of this.watches) {
      watch.changed.connect(this.onChanged, this);
    }
    document.addEventListener('visibilitychange', this.onVisible);
  }

  readonly api: SubletApi;
  readonly serverName: string;
  /** What has changed lately. */
  readonly changes = new SeenChanges();

  /** Emitted whenever anything here is another. */
  get changed(): ISignal<this, void> {
    return this._changed;
  }

  /** Resolves as soon as it is known whether there is a Sublet behind this server. */
  get presence(): Promise<boolean> {
    return this._presence.promise;
  }

  get isPresent(): boolean {
    return this._local.exists === true || this._share.exists === true;
  }

  get local(): Seen<LocalShare> | null {
    return this._local.seen;
  }

  get share(): Seen<Share> | null {
    return this._share.seen;
  }

  /** What admins tell, the newest first, as far as it has not ended. */
  announcements(now: Date): Announcement[] {
    const told = this.share?.value.announcements ?? [];
    return told.filter(each => each.until === null || each.until > now);
  }

  /** Whether agent or service have been asked for the first time and have not said anything yet. */
  get isAsking(): boolean {
    return this._local.isAwaited || this._share.isAwaited;
  }

  /** Why the agent did not answer last; `null` where it did, or was not asked. */
  get localProblem(): string | null {
    return this._local.problem;
  }

  /** Why the service did not answer last. */
  get shareProblem(): string | null {
    return this._share.problem;
  }

  get kernels(): Seen<KernelHolding[]> | null {
    return this._kernels.seen;
  }

  get history(): Seen<SliceHistory> | null {
    return this._history.seen;
  }

  /** The caller's jobs, the newest first. An admin's answer has everybody's: those are left out. */
  get jobs(): Job[] {
    const owner = this.share?.value.owner ?? '';
    const jobs = this._jobs.seen?.value ?? [];
    return jobs.filter(job => owner === '' || job.owner === '' || job.owner === owner);
  }

  get jobsSeen(): Seen<Job[]> | null {
    return this._jobs.seen;
  }

  /** The caller's servers that wait in line for a slice, the next one first. */
  get line(): Seen<LineWait[]> | null {
    const seen = this._line.seen;
    return this.waitsInLine && seen !== null && seen.at >= this.changes.waitsSince ? seen : null;
  }

  /** The slice of this server, as the service knows it. */
  get slice(): SliceInfo | null {
    const slices = this.share?.value.slices ?? [];
    const id = this.local?.value.slice_id;
    return (
      slices.find(each => each.lease.slice_id === id) ??
      slices.find(each => each.lease.holder !== 'job' && each.lease.server === this.serverName) ??
      null
    );
  }

  get sliceId(): string | null {
    return this.local?.value.slice_id ?? this.slice?.lease.slice_id ?? null;
  }

  get isDisposed(): boolean {
    return this._isDisposed;
  }

  /** Begin to ask. */
  start(): void {
    this._local.start();
    this._share.start();
    this.tellPresence();
  }

  /** Somebody looks at the details, until what is returned is disposed. */
  read(): IDisposable {
    this.readers += 1;
    this.startDetails();
    this.refreshDetails();
    let isDisposed = false;
    return {
      get isDisposed() {
        return isDisposed;
      },
      dispose: () => {
        this.readers -= isDisposed ? 0 : 1;
        isDisposed = true;
      }
    };
  }

  /** Ask for the jobs until they were told once, also where none is under way. */
  askJobs(): void {
    this.jobsAreAwaited = true;
    this.startDetails();
    if (this.detailsStarted) {
      this._jobs.refresh();
    }
  }

  setInterval(seconds: number): void {
    this.interval_s = seconds;
    const hurries = Date.now() < this.hurryUntil;
    const often = hurries ? IN_A_HURRY_S : this.isMoving ? WHILE_MOVING_S : seconds;
    this._local.interval_s = Math.min(seconds, often);
    for (const watch of [this._share, this._jobs, this._line, this._kernels]) {
      watch.interval_s = seconds * SERVICE_TIMES;
    }
  }

  /** A cell is about to run: where the slice is away, its return can be seen now. */
  expectReturn(): void {
    const local = this.local?.value;
    if (local === undefined || (local.active && !this.isMoving)) {
      return;
    }
    this.hurryUntil = Date.now() + HURRY_FOR_MS;
    this.returnIsTold = false;
    this.setInterval(this.interval_s);
    this._local.refresh();
    this._changed.emit();
  }

  /**
   * How the slice stands by a cell that was run while memory of it was away, until the agent tells
   * of that itself; `null`: nothing is expected to come back.
   */
  get expectedReturn(): Standing | null {
    const local = this.local;
    const isExpected = Date.now() < this.hurryUntil && !this.returnIsTold;
    return local?.fresh === true && isExpected ? local.value.standing_with_next_cell : null;
  }

  /** Ask everything anew: something was just done. */
  refresh(): void {
    this._local.refresh();
    this._share.refresh();
    this.startDetails();
    this.refreshDetails();
  }

  dispose(): void {
    if (this._isDisposed) {
      return;
    }
    this._isDisposed = true;
    document.removeEventListener('visibilitychange', this.onVisible);
    for (const watch of this.watches) {
      watch.dispose();
    }
    Signal.clearData(this);
  }

  private get watches(): Watch<unknown>[] {
    return [this._local, this._share, this._jobs, this._line, this._kernels, this._history];
  }

  private get isMoving(): boolean {
    const local = this.local?.value;
    return local !== undefined && (local.move !== null || local.wait !== null);
  }

  private jobsAreOpen(): boolean {
    const share = this.share?.value;
    const told = share !== undefined && share.jobs_waiting + share.jobs_running > 0;
    return told || this.jobs.some(job => !hasEnded(job));
  }

  private get waitsInLine(): boolean {
    return (this.share?.value.servers_waiting ?? 0) > 0;
  }

  private async askedJobs(): Promise<Job[]> {
    const jobs = await this.api.jobs();
    this.jobsAreAwaited = false;
    return jobs;
  }

  private async askHistory(): Promise<SliceHistory> {
    const id = this.sliceId ?? '';
    return await this.api.history(id);
  }

  private startDetails(): void {
    if (!this.detailsStarted && this.isPresent) {
      this.detailsStarted = true;
      this._jobs.start();
      this._line.start();
      this._kernels.start();
      this._history.start();
    }
  }

  private refreshDetails(): void {
    if (this.detailsStarted) {
      this._jobs.refresh();
      this._line.refresh();
      this._kernels.refresh();
      this._history.refresh();
    }
  }

  private onChanged(watch: Watch<unknown>): void {
    this.tellPresence();
    this.startDetails();
    if (watch === this._local) {
      this.setInterval(this.interval_s);
      this.followLocal();
    }
    if (watch === this._share) {
      this.followShare();
    }
    this._changed.emit();
  }

  private tellPresence(): void {
    const isKnown = this._local.exists !== null && this._share.exists !== null;
    if (this.isPresent || isKnown) {
      this._presence.resolve(this.isPresent);
    }
  }

  /** Where the slice stands elsewhere now, so do its kernels, and the service knows a moment later. */
  private followLocal(): void {
    const local = this.local?.value;
    if (local === undefined) {
      return;
    }
    // An answer may be older than the cell that was run: the kernel takes a moment to get to it.
    this.returnIsTold ||= local.active || local.wait !== null || local.move?.kind === 'resuming';
    const facts = `${local.state} ${String(local.active)} ${String(local.lent)}`;
    if (this.lastFacts !== null && facts !== this.lastFacts) {
      this._share.refresh();
      if (this.detailsStarted) {
        this._kernels.refresh();
      }
    }
    this.lastFacts = facts;
  }

  private followShare(): void {
    const isOther = this.changes.followLine(this.share?.value.servers_waiting ?? 0);
    if (isOther && this.detailsStarted) {
      this._line.refresh();
    }
  }

  private readonly onVisible = (): void => {
    if (!document.hidden) {
      this._local.refresh();
      this._share.refresh();
      this.refreshDetails();
    }
  };

  private readonly _local: Watch<LocalShare>;
  private readonly _share: Watch<Share>;
  private readonly _jobs: Watch<Job[]>;
  private readonly _line: Watch<LineWait[]>;
  private readonly _kernels: Watch<KernelHolding[]>;
  private readonly _history: Watch<SliceHistory>;
  private readonly _changed = new Signal<this, void>(this);
  private readonly _presence = new PromiseDelegate<boolean>();
  private interval_s: number;
  private readers = 0;
  private hurryUntil = 0;
  private returnIsTold = false;
  private detailsStarted = false;
  private jobsAreAwaited = false;
  private lastFacts: string | null = null;
  private _isDisposed = false;
}

/** The model, for whoever shows a part of it. */
export const IShareModel = new Token<ShareModel>(
  'sublet-lab:IShareModel',
  "What is known of the user's share of the GPUs."
);
