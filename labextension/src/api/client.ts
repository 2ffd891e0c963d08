/** The one module that speaks to the notebook server's `sublet/api/`. */
import { URLExt } from '@jupyterlab/coreutils';
import { KernelAPI, ServerConnection } from '@jupyterlab/services';
import { PromiseDelegate } from '@lumino/coreutils';

import { readDecision, type Decision } from './decision';
import {
  readForecast,
  readJob,
  readLog,
  type Forecast,
  type Job,
  type JobLog,
  type JobRequest
} from './jobs';
import {
  readInspection,
  readKernel,
  readLiteral,
  readLocalShare,
  type KernelHolding,
  type LiteralReading,
  type LocalShare,
  type NotebookInspection
} from './local';
import { readLineWait, type LineWait } from './line';
import { Reader, readList } from './reader';
import { readHistory, readShare, readSlice, type Share, type SliceHistory } from './share';

/** The service or this server said no, or could not be reached: in words for the user. */
export class ApiError extends Error {
  constructor(
    /** The HTTP status; 0 where there was no answer. */
    readonly status: number,
    readonly reason: string,
    message: string,
    /** What it follows from, and what would help, where that is told. */
    readonly decision: Decision | null = null
  ) {
    super(message);
  }
}

/** What a refusal tells beside its sentence. */
export function decisionOf(error: unknown): Decision | null {
  return error instanceof ApiError ? error.decision : null;
}

/** What went wrong, in words for the user. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

export interface Resize {
  memory_mib?: number;
  compute_milli?: number;
  size?: string;
}

interface Answer {
  value: unknown;
  /** Where a list goes on that has more: what `before` takes, as it stands in an address. */
  following: string | null;
}

/** What the rest of the extension asks of Sublet. */
export interface SubletApi {
  share(): Promise<Share>;
  localShare(): Promise<LocalShare>;
  kernels(): Promise<KernelHolding[]>;
  interrupt(kernelId: string): Promise<void>;
  history(sliceId: string): Promise<SliceHistory>;
  keep(sliceId: string, minutes: number): Promise<void>;
  giveUp(sliceId: string): Promise<void>;
  wake(sliceId: string): Promise<void>;
  /** Until when its server may stay idle then; `null` where it is not ended for that. */
  extend(sliceId: string): Promise<Date | null>;
  resize(sliceId: string, wanted: Resize): Promise<void>;
  inspect(path: string): Promise<NotebookInspection>;
  /** As many readings as texts, in order. */
  readLiterals(texts: readonly string[]): Promise<LiteralReading[]>;
  forecast(request: JobRequest): Promise<Forecast>;
  submit(request: JobRequest): Promise<Job>;
  jobs(): Promise<Job[]>;
  cancel(jobId: string): Promise<void>;
  again(jobId: string): Promise<Job>;
  log(jobId: string, offset: number): Promise<JobLog>;
  /** The caller's servers in line; an admin's answer has those of the caller alone, too. */
  line(): Promise<LineWait[]>;
  /** Empty for the default server. */
  leaveLine(server: string): Promise<void>;
}

/** The header of a list that goes on. */
const NEXT_PAGE = 'Sublet-Next';
/** So many pages of a list are read, of 256 KiB each at most, */
const MOST_PAGES = 4;
/** and none after so many entries: each page costs the service something, again and again. */
const ENOUGH = 200;
/** So long this server may take over what it answers by itself. */
const PATIENCE_S = 10;
/** It gives the service 20 s itself, and says then that it does not answer. */
const SERVICE_PATIENCE_S = 25;
/** What is asked for may be done all the same: no sooner than the server has given up. */
const POST_PATIENCE_S = 60;
/** Files are copied here and by the service, which may take 400 s itself. */
const SUBMISSION_PATIENCE_S = 900;
/** A notebook's folder is looked through, which takes its time on slow disks. */
const INSPECTION_PATIENCE_S = 60;
/** Somebody has pressed a button, and waits for it. */
const READING_PATIENCE_S = 5;

export class SubletClient implements SubletApi {
  constructor(private readonly settings: ServerConnection.ISettings) {}

  async share(): Promise<Share> {
    return readShare(new Reader(await this.get('share')));
  }

  async localShare(): Promise<LocalShare> {
    return readLocalShare(new Reader(await this.get('local-share', PATIENCE_S)));
  }

  async kernels(): Promise<KernelHolding[]> {
    return readList(await this.get('kernels', PATIENCE_S), readKernel);
  }

  async interrupt(kernelId: string): Promise<void> {
    await KernelAPI.interruptKernel(kernelId, this.settings);
  }

  async history(sliceId: string): Promise<SliceHistory> {
    return readHistory(new Reader(await this.get(`slices/${part(sliceId)}/history`)));
  }

  async keep(sliceId: string, minutes: number): Promise<void> {
    await this.post(`slices/${part(sliceId)}/keep`, { minutes });
  }

  async giveUp(sliceId: string): Promise<void> {
    await this.post(`slices/${part(sliceId)}/give-up`, {});
  }

  async wake(sliceId: string): Promise<void> {
    await this.post(`slices/${part(sliceId)}/wake`, {});
  }

  async extend(sliceId: string): Promise<Date | null> {
    const after = await this.post(`slices/${part(sliceId)}/extend`, {});
    return readSlice(new Reader(after)).idle_end?.ends_at ?? null;
  }

  async resize(sliceId: string, wanted: Resize): Promise<void> {
    await this.post(`slices/${part(sliceId)}/resize`, wanted);
  }

  async inspect(path: string): Promise<NotebookInspection> {
    const query = URLExt.objectToQueryString({ path });
    const found = await this.get(`notebooks/inspect${query}`, INSPECTION_PATIENCE_S);
    return readInspection(new Reader(found));
  }

  async readLiterals(texts: readonly string[]): Promise<LiteralReading[]> {
    const found = await this.post('notebooks/literals', { texts }, READING_PATIENCE_S);
    return readList(found, readLiteral);
  }

  async forecast(request: JobRequest): Promise<Forecast> {
    return readForecast(new Reader(await this.post('jobs/forecast', request)));
  }

  async submit(request: JobRequest): Promise<Job> {
    return readJob(new Reader(await this.post('jobs', request, SUBMISSION_PATIENCE_S)));
  }

  async jobs(): Promise<Job[]> {
    const jobs: Job[] = [];
    let before: string | null = null;
    // Of very many the newest.
    for (let page = 0; page < MOST_PAGES; page++) {
      const query: string = before === null ? '' : `?before=${before}`;
      const answer: Answer = await this.inTime(
        `jobs${query}`,
        { method: 'GET' },
        SERVICE_PATIENCE_S
      );
      jobs.push(...readList(answer.value, readJob));
      before = answer.following;
      if (before === null || jobs.length >= ENOUGH) {
        break;
      }
    }
    return jobs;
  }

  async cancel(jobId: string): Promise<void> {
    await this.post(`jobs/${part(jobId)}/cancel`, {});
  }

  async again(jobId: string): Promise<Job> {
    const again = `jobs/${part(jobId)}/again`;
    return readJob(new Reader(await this.post(again, {}, SUBMISSION_PATIENCE_S)));
  }

  async log(jobId: string, offset: number): Promise<JobLog> {
    return readLog(new Reader(await this.get(`jobs/${part(jobId)}/log?offset=${offset}`)));
  }

  async line(): Promise<LineWait[]> {
    return readList(await this.get('queue'), readLineWait);
  }

  async leaveLine(server: string): Promise<void> {
    const query = server === '' ? '' : URLExt.objectToQueryString({ server });
    await this.inTime(`queue${query}`, { method: 'DELETE' }, POST_PATIENCE_S);
  }

  /** A question that hangs would leave what was seen last in sight as if it were of now. */
  private async get(path: string, patience_s = SERVICE_PATIENCE_S): Promise<unknown> {
    return (await this.inTime(path, { method: 'GET' }, patience_s)).value;
  }

  private async post(path: string, body: object, patience_s = POST_PATIENCE_S): Promise<unknown> {
    const init = { method: 'POST', body: JSON.stringify(body) };
    return (await this.inTime(path, init, patience_s)).value;
  }

  private async inTime(path: string, init: RequestInit, patience_s: number): Promise<Answer> {
    const abort = new AbortController();
    const late = new PromiseDelegate<never>();
    const timer = setTimeout(() => {
      const message = `The notebook server has not answered within ${patience_s} s.`;
      late.reject(new ApiError(0, 'timeout', message));
      abort.abort();
    }, patience_s * 1000);
    try {
      return await Promise.race([this.ask(path, { ...init, signal: abort.signal }), late.promise]);
    } finally {
      clearTimeout(timer);
    }
  }

  private async ask(path: string, init: RequestInit): Promise<Answer> {
    const url = URLExt.join(this.settings.baseUrl, 'sublet', 'api') + '/' + path;
    let response: Response;
    let text: string;
    try {
      response = await ServerConnection.makeRequest(url, init, this.settings);
      text = await response.text();
    } catch (error) {
      const why = messageOf(error);
      throw new ApiError(0, 'unreachable', `The notebook server cannot be reached: ${why}`);
    }
    const value = parse(text);
    if (response.ok) {
      return { value, following: response.headers.get(NEXT_PAGE) };
    }
    const problem = new Reader(value);
    throw new ApiError(
      response.status,
      problem.text('reason', 'unknown'),
      problem.text('message') || `The notebook server answered ${response.status}.`,
      readDecision(problem)
    );
  }
}

function part(id: string): string {
  return encodeURIComponent(id);
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return null;
  }
}
