import { describe, expect, test } from 'vitest';

import { forecastWords } from '../src/promote/ForecastLine';
import {
  firstForm,
  nameHelp,
  problemsOf,
  requestOf,
  subjectOf,
  type Form
} from '../src/promote/form';
import { fieldOf, typed, type ParameterField } from '../src/promote/parameters';
import { NotALiteralError, readLiteral, writeLiteral } from '../src/promote/python';
import { inspection } from './support/answers';
import { trans } from './support/words';

describe('values as Python writes them', () => {
  test.each([
    ['3', 3],
    ['-1_000', -1000],
    ['1e-3', 0.001],
    ['.5', 0.5],
    ["'it\\'s'", "it's"],
    ['"""two\nlines"""', 'two\nlines'],
    ['r"\\d+"', '\\d+'],
    ["R'\\''", "\\'"],
    ['u"a"', 'a'],
    ['"caf\\u00e9 \\x41 \\U0001F680 \\101"', 'café A 🚀 A'],
    ['"\\d \\\\ \\n"', '\\d \\ \n'],
    ['True', true],
    ['None', null],
    ['[1, [2, 3], ]', [1, [2, 3]]],
    ['(3)', 3],
    ['("a")', 'a'],
    ['[0.5, 1e300]', [0.5, 1e300]],
    ['9007199254740991', 9007199254740991],
    ['{"a": [1], \'b\': {}}', { a: [1], b: {} }]
  ])('%s', (text, value) => {
    expect(readLiteral(text)).toEqual({ value, loss: null });
  });

  test.each([
    ['12345678901234567891', 'large-integer'],
    ['[-9007199254740993]', 'large-integer'],
    ['1e999', 'infinite'],
    ['[0.5, 1.0]', 'whole-float'],
    ['{"a": 1e3}', 'whole-float'],
    ["{1: 'cat'}", 'key'],
    ['{None: 1}', 'key'],
    ['{(1, 2): 3}', 'key'],
    ['(1, 2)', 'tuple'],
    ['(1,)', 'tuple'],
    ['()', 'tuple'],
    ['[1, ("a", "b")]', 'tuple']
  ])('%s would arrive as something else: %s', (text, loss) => {
    expect(readLiteral(text).loss).toBe(loss);
  });

  test.each([
    '"\\x4"',
    '"\\N{DASH}"',
    'f"{x}"',
    'b"x"',
    '"a',
    '',
    'many',
    '1 + 1',
    'open("x")',
    '[1, 2',
    "'open",
    '{[1]: 2}',
    '1 2',
    'toString'
  ])('%s is none', text => {
    expect(() => readLiteral(text)).toThrow(NotALiteralError);
  });

  test('what is written is read back', () => {
    const value = { rate: 0.1, layers: [1, 2], name: 'a "b"', on: true, none: null };
    expect(readLiteral(writeLiteral(value))).toEqual({ value, loss: null });
  });
});

function field(type: string, written: string): ParameterField {
  return fieldOf({ name: 'x', type, default: written, help: '' });
}

describe('a parameter', () => {
  test('a string is shown without its quotes', () => {
    expect(field('str', "'adam'").initial).toBe('adam');
  });

  test('a string that is reckoned is typed as Python writes it', () => {
    expect(field('str', 'f"{x}"')).toMatchObject({ kind: 'any', initial: 'f"{x}"' });
    expect(field('str', 'None').kind).toBe('str');
    expect(field('str', 'r"\\d"').initial).toBe('\\d');
  });

  test('without a type, its value says what it is', () => {
    const kinds = ['True', "'a'", '3', 'len(y)'].map(each => field('None', each).kind);
    expect(kinds).toEqual(['bool', 'str', 'any', 'any']);
  });

  test.each([
    ['int', '10', 10],
    ['float', '1', 1],
    ['str', '10', '10'],
    ['bool', 'False', false],
    ['list', '[1]', [1]],
    ['dict', '{}', {}],
    ['None', 'None', null]
  ])('%s takes %s', (type, text, value) => {
    const written = type === 'str' ? "'adam'" : '0';
    expect(typed(field(type, written), text, trans)).toEqual({ value, problem: null });
  });

  test.each([
    ['int', '1.5', 'x must be a whole number, such as 10.'],
    ['int', 'ten', 'x must be a whole number, such as 10.'],
    ['float', '', 'x must be a number, such as 0.001.'],
    ['list', '{}', 'x must be a list, such as [1, 2, 3].'],
    ['dict', '[]', 'x must be a dictionary, such as {"depth": 3}.'],
    ['None', 'f(x)', 'x must be a value as Python writes it, such as 3, "text" or [1, 2].']
  ])('%s does not take %s, and says what to write', (type, text, problem) => {
    expect(typed(field(type, '0'), text, trans).problem).toBe(problem);
  });
});

describe('what a job cannot be given as it is written', () => {
  test.each([
    ['int', '12345678901234567891', 'x: an integer beyond 9007199254740991 would lose digits'],
    ['list', '[0.5, 1.0]', 'x: a float such as 2.0 would arrive in the job as the integer 2.'],
    ['list', '[(1, 2)]', 'x: a tuple would arrive in the job as a list.'],
    ['dict', "{1: 'cat'}", 'x: keys that are no text would arrive in the job as text.'],
    ['float', '1e999', 'x: an infinite number cannot be given to a job.'],
    ['None', '(1, 2)', 'x: a tuple would arrive in the job as a list.'],
    ['None', '2.0', 'x: a float such as 2.0 would arrive in the job as the integer 2.']
  ])('%s: %s is refused, with what to do', (type, text, why) => {
    const { problem } = typed(field(type, '0'), text, trans);
    expect(problem).toContain(why);
    expect(problem).toContain('Set it in the notebook’s parameters cell');
  });

  test.each(['1.0', '12345678901234567891'])('%s is a float where one is meant', text => {
    expect(typed(field('float', '0.1'), text, trans)).toEqual({
      value: Number(text),
      problem: null
    });
  });

  test('it stays as it is where nothing was changed', () => {
    const subject = subjectOf(
      inspection({
        parameters: [
          { name: 'size', type: 'None', default: '(1, 2)' },
          { name: 'seed', type: 'int', default: '12345678901234567891' },
          { name: 'names', type: 'dict', default: "{1: 'cat'}" }
        ]
      }),
      null,
      null
    );
    expect(problemsOf(firstForm(subject), subject, trans)).toEqual({});
    expect(requestOf(firstForm(subject), subject, trans).parameters).toBeUndefined();
  });
});

const SUBJECT = subjectOf(
  inspection({
    parameters: [
      { name: 'steps', type: 'int', default: '400' },
      { name: 'rate', type: 'None', default: 'base / 10' }
    ],
    environment: ['HF_TOKEN', 'DATA'],
    folder: {
      files: 900,
      bytes: 2_000_000,
      too_large: true,
      limit_bytes: 1_000_000,
      limit_files: 100,
      entries: [
        { path: 'data.csv', kind: 'file', files: 1, bytes: 500 },
        { path: 'huge', kind: 'folder', files: 99, bytes: 1_900_000 },
        { path: 'crumbs', kind: 'folder', files: 100, bytes: 1_000 }
      ]
    }
  }),
  20480,
  24564
);

function form(change: Partial<Form> = {}): Form {
  return { ...firstForm(SUBJECT), ...change };
}

describe('the form', () => {
  test('its first answers are good as they are', () => {
    expect(problemsOf(form(), SUBJECT, trans)).toEqual({});
    expect(requestOf(form(), SUBJECT, trans)).toEqual({
      notebook: 'train-digits.ipynb',
      name: 'train-digits',
      memory_mib: 'whole',
      gpus: 1,
      max_run_s: 604800
    });
  });

  test('only what was changed is said: the notebook keeps its own defaults', () => {
    const changed = form({
      parameters: { steps: '10', rate: 'base / 10' },
      environment: { HF_TOKEN: '', DATA: '/data' }
    });
    expect(requestOf(changed, SUBJECT, trans)).toMatchObject({
      parameters: { steps: 10 },
      environment: { DATA: '/data' }
    });
  });

  test('a slice is as large as the own one to begin with', () => {
    expect(requestOf(form({ whole: false, compute_percent: '50' }), SUBJECT, trans)).toMatchObject({
      memory_mib: 20480,
      compute_milli: 500
    });
  });

  test('of a size that is shown rounded the exact one is meant', () => {
    const odd = { ...SUBJECT, slice_mib: 12282 };
    expect(firstForm(odd).memory_gib).toBe('12');
    const asked = ['12', '24', '23'].map(memory_gib =>
      requestOf(form({ whole: false, memory_gib }), odd, trans)
    );
    expect(asked.map(each => each.memory_mib)).toEqual([12282, 24564, 23552]);
  });

  test('files and retries', () => {
    const asked = requestOf(
      form({ take: 'some', taken: ['data.csv'], retries: 2, hours: '' }),
      SUBJECT,
      trans
    );
    expect(asked).toMatchObject({ take_along: ['data.csv'], retries: 2 });
    expect(asked.max_run_s).toBeUndefined();
  });

  test.each<[string, string, Partial<Form>]>([
    ['name', 'no name', { name: '  ' }],
    ['name', 'a name of 101 characters', { name: 'n'.repeat(101) }],
    ['gpus', 'half a GPU', { gpus: '0.5' }],
    ['memory', 'memory in words', { whole: false, memory_gib: 'all' }],
    ['compute', 'more than a GPU', { whole: false, compute_percent: '101' }],
    ['hours', 'no time', { hours: '0' }],
    ['hours', 'more than ten years', { hours: '1e9' }],
    ['hours', 'an endless time', { hours: 'Infinity' }],
    ['gpus', 'more GPUs than can be asked for', { gpus: '1025' }],
    ['memory', 'less than can be asked for', { whole: false, memory_gib: '0.0001' }],
    ['memory', 'endless memory', { whole: false, memory_gib: 'Infinity' }],
    ['compute', 'less than can be asked for', { whole: false, compute_percent: '0.01' }],
    ['parameter:steps', 'a wrong type', { parameters: { steps: 'many', rate: 'base / 10' } }],
    ['take', 'a folder too large', { take: 'everything' }],
    ['take', 'no file chosen', { take: 'some', taken: [] }],
    ['take', 'too much chosen', { take: 'some', taken: ['data.csv', 'huge'] }],
    ['take', 'too many files chosen', { take: 'some', taken: ['data.csv', 'crumbs'] }]
  ])('%s is marked for %s', (name, _, change) => {
    expect(Object.keys(problemsOf(form(change), SUBJECT, trans))).toEqual([name]);
  });

  test('the smallest and the largest that the service takes are taken', () => {
    const least = form({
      whole: false,
      memory_gib: '0.001',
      compute_percent: '0.1',
      hours: '0.0003'
    });
    expect(problemsOf(least, SUBJECT, trans)).toEqual({});
    expect(requestOf(least, SUBJECT, trans)).toMatchObject({
      memory_mib: 1,
      compute_milli: 1,
      max_run_s: 1
    });
    const most = form({ gpus: '1024', hours: '87840' });
    expect(problemsOf(most, SUBJECT, trans)).toEqual({});
    expect(requestOf(most, SUBJECT, trans)).toMatchObject({ gpus: 1024, max_run_s: 316_224_000 });
  });

  test('names with quotes, HTML and emoji are names', () => {
    const name = `"it's" <b>bold</b> 🚀`;
    expect(problemsOf(form({ name }), SUBJECT, trans)).toEqual({});
    expect(requestOf(form({ name }), SUBJECT, trans).name).toBe(name);
    expect(nameHelp(form({ name }), trans)).toContain('anything else becomes “-”');
    expect(nameHelp(form(), trans)).toBe('');
  });
});

describe('the forecast in words', () => {
  const forecast = { allowed: true, problem: null, message: '', place: null, basis: 'reckoned' };

  test.each([
    [{ message: 'It starts at once.', expected_wait_s: 0 }, 'It starts at once.'],
    [
      { message: 'It would wait.', expected_wait_s: 240 },
      'It would wait. Expected wait: about 4 min. (reckoned)'
    ],
    [{ message: 'It would wait.', expected_wait_s: null }, 'It would wait. (reckoned)'],
    [{ allowed: false, message: 'Too many jobs.', expected_wait_s: null }, 'Too many jobs.']
  ])('%j', (told, words) => {
    expect(forecastWords({ ...forecast, ...told }, trans)).toBe(words);
  });
});
