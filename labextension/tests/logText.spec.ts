import { describe, expect, test } from 'vitest';

import { LogText } from '../src/jobs/logText';

/** What is shown after these pieces. */
function shown(pieces: string[], most = 1000): string {
  const text = new LogText(most);
  for (const piece of pieces) {
    text.write(piece);
  }
  return text.takeEnded() + text.line;
}

describe('a log, piece by piece', () => {
  test.each<[string, string[], string]>([
    ['lines', ['a\nb', 'c\n', 'd'], 'a\nbc\nd'],
    ['a bar within a piece', ['0%\r50%\r100%\ndone\n'], '100%\ndone\n'],
    ['a bar over several pieces', ['0%', '\r50%', '\r', '100%', '\nend'], '100%\nend'],
    ['a bar that returns at its end', ['0%\r', '50%\r'], '50%'],
    ['the line ends of other systems', ['a\r\nb\r', '\nc'], 'a\nb\nc'],
    ['colours', ['\u001b[31mred\u001b[0m\u001b[2K\rblue'], 'blue'],
    ['a colour cut in two', ['a\u001b[3', '1mb\u001b', '[0m\n'], 'ab\n']
  ])('%s', (_, pieces, text) => {
    expect(shown(pieces)).toBe(text);
  });

  test('of what is long the end is kept', () => {
    expect(shown(['aaaa\n', 'bbbb\n', 'cccc\n'], 8)).toBe('bb\ncccc\n');
    expect(shown(['aaaa', 'bbbb', 'cccc'], 8)).toBe('bbbbcccc');
  });

  test('what was taken is not told again', () => {
    const text = new LogText(100);
    text.write('a\nb');
    expect([text.takeEnded(), text.line]).toEqual(['a\n', 'b']);
    text.write('\rc\n');
    expect([text.takeEnded(), text.line]).toEqual(['c\n', '']);
  });
});
