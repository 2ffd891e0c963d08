/** What admins, and Sublet itself, tell owners: plain text that ends by itself. */
import type { Reader } from './reader';

export interface Announcement {
  announcement_id: string;
  /** To be shown as text, whatever is in it. */
  text: string;
  made_at: Date | null;
  /** `null`: no end is known. */
  until: Date | null;
  /** Whether an admin says so; else Sublet itself. */
  from_admin: boolean;
}

export function readAnnouncement(r: Reader): Announcement {
  return {
    announcement_id: r.text('announcement_id'),
    text: r.text('text'),
    made_at: r.maybeTime('made_at'),
    until: r.maybeTime('until'),
    from_admin: r.flag('from_admin', true)
  };
}
