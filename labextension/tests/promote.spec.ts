import { describe, expect, test } from 'vitest';

import type { JobRequest } from '../src/api/jobs';
import type { LiteralReading } from '../src/api/local';
import { forecastWords } from '../src/promote/ForecastLine';
import {
  firstForm,
  nameHelp,
  problemsOf,
  requestOf,
  subjectOf,
  unreadOf,
  type Form,
  type Problems
} from '../src/promote/form';
import { fieldOf, typed, type ParameterField, type Typed } from '../src/promote/parameters';
import { inspection, literal, NO_LITERAL } from './support/answers';
import { trans } from './support/words';

function field(type: string, written: string, reading = NO_LITERAL): ParameterField {
  return fieldOf({ name: 'x', type, default: written, reading, help: '' });
}

/** What a text in a field stands for, as Python reads it. */
function read(where: ParameterField, text: string, reading: LiteralReading): Typed | null {
  return typed(where, text, new Map([[text, reading]]), trans);
}

describe('a parameter', () => {
  test('a string is shown without its quotes', () => {
    expect(field('str', "'adam'", literal('str', 'adam')).initial).toBe('adam');
    expect(field('str', 'r"\\d"', literal('str', '\\d')).initial).toBe('\\d');
  });

  test('a string that is reckoned is typed as Python writes it', () => {
    expect(field('str', 'f"{x}"')).toMatchObject({ kind: 'any', initial: 'f"{x}"' });
    expect(field('str', 'None', literal('NoneType', null))).toMatchObject({
      kind: 'str',
      initial: 'None'
    });
  });

  test('any other is shown as it is written', () => {
    expect(field('float', '1e-3', literal('float', 0.001)).initial).toBe('1e-3');
    expect(field('bool', 'True', literal('bool', true)).initial).toBe('True');
    expect(field('bool', '(True)', literal('bool', true)).initial).toBe('True');
    expect(field('bool', 'not quick').initial).toBe('not quick');
  });

  test('without a type, its value says what it is', () => {
    const kinds = [
      field('None', 'True', literal('bool', true)),
      field('None', "'a'", literal('str', 'a')),
      field('None', '3', literal('int', 3)),
      field('None', 'len(y)')
    ].map(each => each.kind);
    expect(kinds).toEqual(['bool', 'str', 'any', 'any']);
  });

  test.each([
    ['int', '10', literal('int', 10)],
    ['int', '0x10', literal('int', 16)],
    ['float', '1', literal('int', 1)],
    ['float', '.5', literal('float', 0.5)],
    ['list', '[1]', literal('list', [1])],
    ['dict', '{}', literal('dict', {})],
    ['None', 'None', literal('NoneType', null)]
  ])('%s takes %s', (type, text, reading) => {
    expect(read(field(type, '0'), text, reading)).toEqual({ value: reading.value, problem: null });
  });

  test('a text and a choice are what they are, and need no reading', () => {
    const name = field('str', "'adam'", literal('str', 'adam'));
    expect(typed(name, '10', new Map(), trans)).toEqual({ value: '10', problem: null });
    const shuffle = field('bool', 'True', literal('bool', true));
    expect(typed(shuffle, 'False', new Map(), trans)).toEqual({ value: false, problem: null });
    expect(typed(shuffle, 'no', new Map(), trans)?.problem).toBe('x must be True or False.');
  });

  test('anything else is not known before it is read', () => {
    expect(typed(field('int', '0'), '10', new Map(), trans)).toBeNull();
  });

  test.each([
    ['int', '1.5', literal('float', 1.5), 'x must be a whole number, such as 10.'],
    ['int', 'True', literal('bool', true), 'x must be a whole number, such as 10.'],
    ['int', '(1, 2)', literal('tuple', null, 'tuple'), 'x must be a whole number, such as 10.'],
    ['int', 'ten', NO_LITERAL, 'x must be a whole number, such as 10.'],
    ['float', '', NO_LITERAL, 'x must be a number, such as 0.001.'],
    ['list', '{}', literal('dict', {}), 'x must be a list, such as [1, 2, 3].'],
    ['dict', '[]', literal('list', []), 'x must be a dictionary, such as {"depth": 3}.'],
    [
      'None',
      'f(x)',
      NO_LITERAL,
      'x must be a value as Python writes it, such as 3, "text" or [1, 2].'
    ]
  ])('%s does not take %s, and says what to write', (type, text, reading, problem) => {
    expect(read(field(type, '0'), text, reading)).toEqual({ value: null, problem });
  });
});

const LARGE = literal('int', 12345678901234567000, 'large-integer');

describe('what a job cannot be given as it is written', () => {
  test.each<[string, string, LiteralReading, string]>([
    [
      'int',
      '12345678901234567891',
      LARGE,
      'x: an integer beyond 9007199254740991 would lose digits'
    ],
    [
      'list',
      '[0.5, 1.0]',
      literal('list', null, 'whole-float'),
      'x: a float such as 2.0 would arrive in the job as the integer 2.'
    ],
    [
      'list',
      '[(1, 2)]',
      literal('list', null, 'tuple'),
      'x: a tuple would arrive in the job as a list.'
    ],
    [
      'list',
      '(1, 2)',
      literal('tuple', null, 'tuple'),
      'x: a tuple would arrive in the job as a list.'
    ],
    [
      'dict',
      "{1: 'cat'}",
      literal('dict', null, 'key'),
      'x: keys that are no text would arrive in the job as text.'
    ],
    [
      'float',
      '1e999',
      literal('float', null, 'infinite'),
      'x: an infinite number cannot be given to a job.'
    ],
    [
      'None',
      '{1, 2}',
      literal('set', null, 'not-in-json'),
      'x: only numbers, text, True, False, None, lists and dictionaries can be given to a job.'
    ],
    [
      'None',
      '2.0',
      literal('float', 2, 'whole-float'),
      'x: a float such as 2.0 would arrive in the job as the integer 2.'
    ]
  ])('%s: %s is refused, with what to do', (type, text, reading, why) => {
    const known = read(field(type, '0'), text, reading);
    expect(known?.problem).toContain(why);
    expect(known?.problem).toContain('Set it in the notebook’s parameters cell');
  });

  test('what is too large belongs into a file', () => {
    const tooLarge: LiteralReading = { type: null, value: null, problem: 'too-large' };
    expect(read(field('list', '[]'), '[…]', tooLarge)?.problem).toBe(
      'x is too long or too deeply nested: put it into a file that the notebook reads, and give its path.'
    );
  });

  test.each<[string, LiteralReading]>([
    ['1.0', literal('float', 1, 'whole-float')],
    ['12345678901234567891', LARGE]
  ])('%s is a float where one is meant', (text, reading) => {
    expect(read(field('float', '0.1'), text, reading)).toEqual({
      value: Number(text),
      problem: null
    });
  });

  test('it stays as it is where nothing was changed, and is not asked for', () => {
    const subject = subjectOf(
      inspection({
        parameters: [
          {
            name: 'size',
            type: 'None',
            default: '(1, 2)',
            reading: literal('tuple', null, 'tuple')
          },
          { name: 'seed', type: 'int', default: '12345678901234567891', reading: LARGE },
          { name: 'names', type: 'dict', default: "{1: 'cat'}" }
        ]
      }),
      null,
      null
    );
    const first = firstForm(subject);
    expect(unreadOf(first, subject, new Map())).toEqual([]);
    expect(problemsOf(first, subject, new Map(), trans)).toEqual({});
    expect(requestOf(first, subject, new Map(), trans)?.parameters).toBeUndefined();
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

const READINGS = new Map([
  ['10', literal('int', 10)],
  ['many', NO_LITERAL]
]);

function wrong(form: Form, subject = SUBJECT): Problems {
  return problemsOf(form, subject, READINGS, trans);
}

function asked(form: Form, subject = SUBJECT): JobRequest | null {
  return requestOf(form, subject, READINGS, trans);
}

describe('the form', () => {
  test('what is typed is to be read once, and there is no request before', () => {
    const typing = form({ parameters: { steps: '20', rate: '20' } });
    expect(unreadOf(typing, SUBJECT, READINGS)).toEqual(['20']);
    expect([wrong(typing), asked(typing)]).toEqual([{}, null]);
    expect(unreadOf(form({ parameters: { steps: '10' } }), SUBJECT, READINGS)).toEqual([]);
  });

  test('what is being corrected stays marked until it is read', () => {
    const before = { 'parameter:steps': 'no number', name: 'none' };
    const corrected = form({ parameters: { steps: '20', rate: '10' } });
    expect(problemsOf(corrected, SUBJECT, READINGS, trans, before)).toEqual({
      'parameter:steps': 'no number'
    });
    expect(problemsOf(form(), SUBJECT, READINGS, trans, before)).toEqual({});
  });

  test('its first answers are good as they are', () => {
    expect(wrong(form())).toEqual({});
    expect(asked(form())).toEqual({
      notebook: 'train-digits.ipynb',
      name: 'train-digits',
      memory_mib: 'whole',
      gpus: 1
    });
  });

  test('only what was changed is said: the notebook keeps its own defaults', () => {
    const changed = form({
      parameters: { steps: '10', rate: 'base / 10' },
      environment: { HF_TOKEN: '', DATA: '/data' }
    });
    expect(asked(changed)).toMatchObject({
      parameters: { steps: 10 },
      environment: { DATA: '/data' }
    });
  });

  test('a slice is as large as the own one to begin with', () => {
    expect(asked(form({ whole: false, compute_percent: '50' }))).toMatchObject({
      memory_mib: 20480,
      compute_milli: 500
    });
  });

  test('of a size that is shown rounded the exact one is meant', () => {
    const odd = { ...SUBJECT, slice_mib: 12282 };
    expect(firstForm(odd).memory_gib).toBe('12');
    const found = ['12', '24', '23'].map(memory_gib =>
      asked(form({ whole: false, memory_gib }), odd)
    );
    expect(found.map(each => each?.memory_mib)).toEqual([12282, 24564, 23552]);
  });

  test('the group that pays is said where one was chosen', () => {
    expect(asked(form())?.group).toBeUndefined();
    expect(asked(form({ group: 'vision' }))?.group).toBe('vision');
  });

  test('files and retries', () => {
    const found = asked(form({ take: 'some', taken: ['data.csv'], retries: 2, hours: '' }));
    expect(found).toMatchObject({ take_along: ['data.csv'], retries: 2 });
    expect(found?.max_run_s).toBeUndefined();
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
    expect(Object.keys(wrong(form(change)))).toEqual([name]);
  });

  test('the smallest and the largest that the service takes are taken', () => {
    const least = form({
      whole: false,
      memory_gib: '0.001',
      compute_percent: '0.1',
      hours: '0.0003'
    });
    expect(wrong(least)).toEqual({});
    expect(asked(least)).toMatchObject({
      memory_mib: 1,
      compute_milli: 1,
      max_run_s: 1
    });
    const most = form({ gpus: '1024', hours: '87840' });
    expect(wrong(most)).toEqual({});
    expect(asked(most)).toMatchObject({ gpus: 1024, max_run_s: 316_224_000 });
  });

  test('names with quotes, HTML and emoji are names', () => {
    const name = `"it's" <b>bold</b> 🚀`;
    expect(wrong(form({ name }))).toEqual({});
    expect(asked(form({ name }))?.name).toBe(name);
    expect(nameHelp(form({ name }), trans)).toContain('anything else becomes “-”');
    expect(nameHelp(form(), trans)).toBe('');
  });
});

describe('the forecast in words', () => {
  const forecast = {
    allowed: true,
    problem: null,
    decision: null,
    message: '',
    place: null,
    basis: 'reckoned',
    max_run_s: null
  };

  test.each([
    [{ message: 'It starts at once.', expected_wait_s: 0 }, 'It starts at once.'],
    [
      { message: 'It would wait.', expected_wait_s: 240 },
      'It would wait. Expected wait: about 4 min. (reckoned)'
    ],
    [{ message: 'It would wait.', expected_wait_s: null }, 'It would wait. (reckoned)'],
    [
      { message: 'It starts at once.', expected_wait_s: 0, max_run_s: 86_400 },
      'It starts at once. It stops after 24 h at the latest.'
    ],
    [{ allowed: false, message: 'Too many jobs.', expected_wait_s: null }, 'Too many jobs.']
  ])('%j', (told, words) => {
    expect(forecastWords({ ...forecast, ...told }, trans)).toBe(words);
  });
});
