/** Sublet by hand: answers what a test puts in, and remembers what it was told to do. */
import { ApiError, type Resize, type SubletApi } from '../../src/api/client';
import type { Forecast, Job, JobLog, JobRequest } from '../../src/api/jobs';
import type { LineWait } from '../../src/api/line';
import type {
  KernelHolding,
  LiteralReading,
  LocalShare,
  NotebookInspection
} from '../../src/api/local';
import type { Share, SliceHistory } from '../../src/api/share';
import { history, inspection, job, localShare, NO_LITERAL, share } from './answers';

export type Answer<T> = T | ApiError;

export const ABSENT = new ApiError(404, 'not-found', 'Not Found');
export const AWAY = new ApiError(502, 'service-unreachable', 'The Sublet service is away.');

export class FakeApi implements SubletApi {
  asked: string[] = [];
  done: string[] = [];
  submitted: JobRequest[] = [];
  answers: {
    share: Answer<Share>;
    local: Answer<LocalShare>;
    kernels: Answer<KernelHolding[]>;
    history: Answer<SliceHistory>;
    jobs: Answer<Job[]>;
    line: Answer<LineWait[]>;
    inspection: Answer<NotebookInspection>;
    /** By text; what is not there is no literal. */
    readings: Answer<Readonly<Record<string, LiteralReading>>>;
    forecast: Answer<Forecast>;
    submit: Answer<Job>;
    log: Answer<JobLog>;
    deed: ApiError | null;
  } = {
    share: share(),
    local: localShare(),
    kernels: [],
    history: history([]),
    jobs: [],
    line: [],
    inspection: inspection(),
    readings: {},
    forecast: {
      allowed: true,
      problem: null,
      decision: null,
      message: 'It would start at once.',
      place: null,
      expected_wait_s: null,
      basis: '',
      max_run_s: null
    },
    submit: job(),
    log: { text: '', offset: 0, next_offset: 0, ended: true },
    deed: null
  };

  share = (): Promise<Share> => this.tell('share', this.answers.share);
  localShare = (): Promise<LocalShare> => this.tell('local-share', this.answers.local);
  kernels = (): Promise<KernelHolding[]> => this.tell('kernels', this.answers.kernels);
  history = (): Promise<SliceHistory> => this.tell('history', this.answers.history);
  jobs = (): Promise<Job[]> => this.tell('jobs', this.answers.jobs);
  line = (): Promise<LineWait[]> => this.tell('line', this.answers.line);
  inspect = (path: string): Promise<NotebookInspection> =>
    this.tell(`inspect ${path}`, this.answers.inspection);
  readLiterals = async (texts: readonly string[]): Promise<LiteralReading[]> => {
    const known = await this.tell(`read ${texts.join(' | ')}`, this.answers.readings);
    return texts.map(text => known[text] ?? NO_LITERAL);
  };

  log = (id: string, offset: number): Promise<JobLog> =>
    this.tell(`log ${id} ${offset}`, this.answers.log);
  forecast = (): Promise<Forecast> => this.tell('forecast', this.answers.forecast);

  submit = (request: JobRequest): Promise<Job> => {
    this.submitted.push(request);
    return this.tell('submit', this.answers.submit);
  };

  interrupt = (id: string): Promise<void> => this.do(`interrupt ${id}`);
  keep = (id: string, minutes: number): Promise<void> => this.do(`keep ${id} ${minutes}`);
  giveUp = (id: string): Promise<void> => this.do(`give up ${id}`);
  wake = (id: string): Promise<void> => this.do(`wake ${id}`);
  extend = async (id: string): Promise<Date | null> => {
    await this.do(`extend ${id}`);
    return new Date(Date.now() + 7_200_000);
  };

  resize = (id: string, wanted: Resize): Promise<void> =>
    this.do(`resize ${id} ${JSON.stringify(wanted)}`);
  cancel = (id: string): Promise<void> => this.do(`cancel ${id}`);

  leaveLine = (server: string): Promise<void> => this.do(`leave ${server}`);

  again = async (id: string): Promise<Job> => {
    await this.do(`again ${id}`);
    return job();
  };

  private tell<T>(what: string, answer: Answer<T>): Promise<T> {
    this.asked.push(what);
    return answer instanceof ApiError ? Promise.reject(answer) : Promise.resolve(answer);
  }

  private do(what: string): Promise<void> {
    this.done.push(what);
    const problem = this.answers.deed;
    return problem === null ? Promise.resolve() : Promise.reject(problem);
  }
}
