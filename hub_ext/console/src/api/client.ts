/**
 * Asks the service, with types that come from its own description.
 *
 * The browser's cookie says who asks. Whatever is asked bears `_xsrf` in a header: that cookie is
 * set for this path alone, so pages at other paths of the same origin do not know it.
 */
import type { TranslationBundle } from '@sublet-lab/format/translation';

import { bundleOf } from '../words/bundle';
import type { paths } from './generated';
import type { Problem } from './types';

type Method = 'get' | 'post' | 'put';
type Operation<P extends keyof paths, M extends Method> = NonNullable<paths[P][M]>;
type PathsWith<M extends Method> = {
  [P in keyof paths]: paths[P][M] extends { responses: unknown } ? P : never;
}[keyof paths];
type Json<T> = T extends { content: { 'application/json': infer Body } } ? Body : undefined;
type Answer<T> = T extends { responses: infer Responses }
  ? Responses extends Readonly<Record<200, infer Good>>
    ? Json<Good>
    : Responses extends Readonly<Record<201, infer Made>>
      ? Json<Made>
      : undefined
  : never;
type Query<T> = T extends { parameters: { query?: infer Asked } } ? Asked : undefined;
type Value = string | number | boolean | undefined;
type Sent<T> = T extends { requestBody: infer Body } ? Json<Body> : undefined;

/** A refusal or failure, in the service's own words. */
export class AskError extends Error {
  constructor(
    message: string,
    readonly status: number,
    readonly problem: Problem | null,
    /** After so long it may be asked again, where the service says so. */
    readonly retry_after_s: number | null = null
  ) {
    super(message);
  }
}

export type Fetch = (url: string, options: RequestInit) => Promise<Response>;

const XSRF = '_xsrf';
const NOT_LOGGED_IN = 401;
const NOT_MODIFIED = 304;
const TOO_MANY = 429;
/** So often what is only read is asked for. */
const MOST_TRIES = 4;
const MS_PER_S = 1000;
/** Nobody is kept waiting for longer without a word. */
const LONGEST_WAIT_S = 10;
/** What the hub's proxy answers in its place. */
const IS_AWAY: ReadonlySet<number> = new Set([502, 503, 504]);
const SAFE_IN_A_PATH = /^[A-Za-z0-9._-]{1,64}$/;

interface Kept {
  readonly tag: string;
  readonly value: unknown;
}

export class Client {
  private readonly kept = new Map<string, Kept>();
  /** Called when something was asked, and the service is not there to answer. */
  onAway: (() => void) | null = null;

  constructor(
    /** The service's own address, with a slash at its end. */
    private readonly prefix: string,
    private readonly fetch: Fetch = (url, options) => window.fetch(url, options),
    private readonly cookies: () => string = () => document.cookie,
    private readonly trans: TranslationBundle = bundleOf()
  ) {}

  get<P extends PathsWith<'get'>>(
    path: P,
    query?: Query<Operation<P, 'get'>>,
    names?: Readonly<Record<string, string>>
  ): Promise<Answer<Operation<P, 'get'>>> {
    return inTurn(() => this.json('get', withQuery(path, query), undefined, names), MOST_TRIES);
  }

  /**
   * The same of what is much to send, and asked for again and again: where nothing of it is
   * another, nothing is sent, and the value is the very one of before.
   */
  async getIfChanged<P extends PathsWith<'get'>>(
    path: P,
    query?: Query<Operation<P, 'get'>>
  ): Promise<Answer<Operation<P, 'get'>>> {
    type Told = Answer<Operation<P, 'get'>>;
    const asked = withQuery(path, query);
    const known = this.kept.get(asked);
    const answer = await inTurn(
      () => this.send('get', asked, undefined, {}, known?.tag),
      MOST_TRIES
    );
    if (known !== undefined && answer.status === NOT_MODIFIED) {
      return known.value as Told;
    }
    const value = (await answer.json()) as Told;
    const tag = answer.headers.get('ETag');
    if (tag === null) {
      this.kept.delete(asked);
    } else {
      this.kept.set(asked, { tag, value });
    }
    return value;
  }

  /** Where a browser finds a file, such as a table as CSV. */
  addressOf<P extends PathsWith<'get'>>(path: P, query?: Query<Operation<P, 'get'>>): string {
    return `${this.prefix}api${withQuery(path, query)}`;
  }

  post<P extends PathsWith<'post'>>(
    path: P,
    body: Sent<Operation<P, 'post'>>,
    names?: Readonly<Record<string, string>>
  ): Promise<Answer<Operation<P, 'post'>>> {
    return this.json('post', path, body, names);
  }

  put<P extends PathsWith<'put'>>(
    path: P,
    body: Sent<Operation<P, 'put'>>
  ): Promise<Answer<Operation<P, 'put'>>> {
    return this.json('put', path, body, undefined);
  }

  /** An answer as it comes, such as a stream. */
  async open<P extends PathsWith<'get'>>(
    path: P,
    signal: AbortSignal,
    query?: Query<Operation<P, 'get'>>
  ): Promise<Response> {
    return this.send('get', withQuery(path, query), undefined, { signal });
  }

  /** The same of what is asked with a body. */
  async openWith<P extends PathsWith<'post'>>(
    path: P,
    body: Sent<Operation<P, 'post'>>,
    signal: AbortSignal
  ): Promise<Response> {
    return this.send('post', path, body, { signal });
  }

  private async json<T>(
    method: Method,
    path: string,
    body: unknown,
    names: Readonly<Record<string, string>> | undefined
  ): Promise<T> {
    const answer = await this.send(method, filled(path, names, this.trans), body, {});
    // Types and answers come from the same description.
    return (await answer.json()) as T;
  }

  private async send(
    method: Method,
    path: string,
    body: unknown,
    options: RequestInit,
    tag?: string
  ): Promise<Response> {
    const headers: Record<string, string> = { 'X-XSRFToken': xsrfOf(this.cookies()) };
    if (tag !== undefined) {
      headers['If-None-Match'] = tag;
    }
    if (body !== undefined) {
      headers['Content-Type'] = 'application/json';
    }
    let answer: Response;
    try {
      answer = await this.fetch(`${this.prefix}api${path}`, {
        method: method.toUpperCase(),
        credentials: 'same-origin',
        headers,
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        ...options
      });
    } catch (error) {
      if (error instanceof Error && error.name === 'AbortError') {
        throw error;
      }
      this.onAway?.();
      throw new AskError(this.trans.__('The service does not answer.'), 0, null);
    }
    if (!answer.ok && (tag === undefined || answer.status !== NOT_MODIFIED)) {
      const error = await errorOf(answer, this.trans);
      if (error.problem === null && IS_AWAY.has(error.status)) {
        this.onAway?.();
      }
      throw error;
    }
    return answer;
  }
}

/**
 * Ask when the service lets one, so often at most: who asks for much at once, or does something to
 * hundreds, asks faster than anybody may.
 */
export async function inTurn<T>(ask: () => Promise<T>, mostTries: number): Promise<T> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await ask();
    } catch (error) {
      const after_s =
        error instanceof AskError && error.status === TOO_MANY ? error.retry_after_s : null;
      if (after_s === null || after_s > LONGEST_WAIT_S || tries === mostTries) {
        throw error;
      }
      await new Promise(done => setTimeout(done, MS_PER_S * after_s));
    }
  }
}

/** With what is asked for several times named as often. */
function withQuery(path: string, query: unknown): string {
  const asked = new URLSearchParams();
  for (const [name, value] of Object.entries(query ?? {}) as [string, Value | Value[]][]) {
    for (const each of [value].flat().filter(one => one !== undefined)) {
      asked.append(name, String(each));
    }
  }
  const text = asked.toString();
  return text === '' ? path : `${path}?${text}`;
}

function filled(
  path: string,
  names: Readonly<Record<string, string>> = {},
  trans: TranslationBundle
): string {
  return path.replace(/\{(\w+)\}/g, (_, name: string) => {
    const value = names[name] ?? '';
    if (!SAFE_IN_A_PATH.test(value)) {
      throw new AskError(trans.__('“%1” is no %2.', value, name), 400, null);
    }
    return value;
  });
}

function xsrfOf(cookies: string): string {
  const found = cookies
    .split(';')
    .map(each => each.trim())
    .find(each => each.startsWith(`${XSRF}=`));
  return found === undefined ? '' : decodeURIComponent(found.slice(XSRF.length + 1));
}

async function errorOf(answer: Response, trans: TranslationBundle): Promise<AskError> {
  const after_s = Number.parseInt(answer.headers.get('Retry-After') ?? '', 10);
  try {
    const problem = (await answer.json()) as Problem;
    if (typeof problem.message === 'string') {
      // What the service says is for who sends tokens.
      const words =
        answer.status === NOT_LOGGED_IN
          ? trans.__('You are not logged in any more.')
          : problem.message;
      return new AskError(words, answer.status, problem, after_s >= 0 ? after_s : null);
    }
  } catch {
    // What a proxy in between answers is no problem of the service's.
  }
  const words = `${answer.status} ${answer.statusText}`.trim();
  return new AskError(
    IS_AWAY.has(answer.status)
      ? trans.__('The service does not answer; it may be starting: try again soon (%1).', words)
      : words,
    answer.status,
    null
  );
}

const CONFLICT = 409;

/** Whether something was changed meanwhile, so that what was asked for was made from what is no more. */
export function isConflict(error: unknown): boolean {
  return error instanceof AskError && error.status === CONFLICT;
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
