/** Whom this server can ask, as its page says. */
export interface Parts {
  /** The hub's service. */
  service: boolean;
  /** The agent of this machine. */
  agent: boolean;
}

/** From the page's configuration: `service`, `agent` or both; empty where there is no Sublet. */
export function partsOf(told: string): Parts {
  const names = told.split(',').map(name => name.trim());
  return { service: names.includes('service'), agent: names.includes('agent') };
}
