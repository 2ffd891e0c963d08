/** Who looks at this page, and where it lies: as the service wrote it into the page. */

export interface Session {
  readonly name: string;
  /** Changes all, and sees all. */
  readonly admin: boolean;
  /** Sees all that admins see: who is none then changes nothing. */
  readonly sees_all: boolean;
  /** The groups of the quota document that they administer, when the page was sent. */
  readonly groups: readonly string[];
  /** The service's own path, with a slash at its end. */
  readonly prefix: string;
  /** The hub's address for browsers, with a slash at its end. */
  readonly hub: string;
  /** Whether users' pages have origins other than the hub's. */
  readonly own_origins: boolean;
  readonly version: string;
}

export function readSession(page: Document): Session {
  const told = page.querySelector('meta[name="sublet-session"]')?.getAttribute('content') ?? '{}';
  const read = JSON.parse(told) as Partial<Session>;
  return {
    name: read.name ?? '',
    admin: read.admin ?? false,
    sees_all: read.sees_all ?? false,
    groups: read.groups ?? [],
    prefix: read.prefix ?? '/',
    hub: read.hub ?? '/hub/',
    own_origins: read.own_origins ?? true,
    version: read.version ?? ''
  };
}
