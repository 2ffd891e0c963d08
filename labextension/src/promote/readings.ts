/** What Python reads in what is typed: asked of the notebook's server, each text once. */
import { messageOf, type SubletApi } from '../api/client';
import type { LiteralReading } from '../api/local';

const READ_AFTER_MS = 300;

export class TypedTexts {
  /** `changed` is called when texts were read, or could not be. */
  constructor(
    private readonly api: Pick<SubletApi, 'readLiterals'>,
    private readonly changed: () => void
  ) {}

  readonly readings = new Map<string, LiteralReading>();
  /** Why the last texts could not be read. */
  failure: string | null = null;

  /** Read them a moment after the last call. */
  readSoon(texts: readonly string[]): void {
    this.stop();
    this.failure = null;
    if (texts.length > 0) {
      this.timer = window.setTimeout(() => {
        // It is kept as the failure.
        this.read(texts).catch(() => undefined);
      }, READ_AFTER_MS);
    }
  }

  /** Read them now. Throws where the server does not answer, or not to all. */
  async read(texts: readonly string[]): Promise<void> {
    this.stop();
    try {
      const found = await this.api.readLiterals(texts);
      if (found.length !== texts.length) {
        throw new Error('The notebook server has not read what is typed: reload the page.');
      }
      found.forEach((reading, index) => {
        this.readings.set(texts[index] ?? '', reading);
      });
    } catch (error) {
      this.failure = messageOf(error);
      throw error;
    } finally {
      this.changed();
    }
  }

  /** Ask no more. */
  stop(): void {
    window.clearTimeout(this.timer);
  }

  private timer: number | undefined;
}
