/** Reads the events of an answer that goes on and on. */
import { createParser } from 'eventsource-parser';

/**
 * Tell each event until the answer ends. After a silence of so long the network has lost the
 * connection, and it is given up.
 */
export async function readEvents(
  answer: Response,
  controller: AbortController,
  longestSilence_ms: number,
  tell: (event: string, data: string) => void
): Promise<void> {
  const parser = createParser({
    onEvent: ({ event, data }) => {
      if (!controller.signal.aborted) {
        tell(event ?? '', data);
      }
    }
  });
  const reader = answer.body?.getReader();
  const decoder = new TextDecoder();
  for (;;) {
    const silence = window.setTimeout(() => {
      controller.abort();
    }, longestSilence_ms);
    const part = await reader?.read().finally(() => {
      window.clearTimeout(silence);
    });
    if (part === undefined || part.done) {
      return;
    }
    parser.feed(decoder.decode(part.value, { stream: true }));
  }
}
