/**
 * Reads an answer field by field, tolerant of what is missing or new.
 *
 * The service and this page are updated at different times: a field that is not there, or is of
 * another kind than expected, gets its default instead of breaking the page.
 */

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

export class Reader {
  private readonly fields: Readonly<Record<string, unknown>>;

  constructor(value: unknown) {
    this.fields = isRecord(value) ? value : {};
  }

  text(name: string, missing = ''): string {
    return this.maybeText(name) ?? missing;
  }

  maybeText(name: string): string | null {
    const value = this.fields[name];
    return typeof value === 'string' ? value : null;
  }

  number(name: string, missing = 0): number {
    return this.maybeNumber(name) ?? missing;
  }

  maybeNumber(name: string): number | null {
    const value = this.fields[name];
    return typeof value === 'number' && Number.isFinite(value) ? value : null;
  }

  flag(name: string, missing = false): boolean {
    const value = this.fields[name];
    return typeof value === 'boolean' ? value : missing;
  }

  /** A moment, from ISO 8601. */
  maybeTime(name: string): Date | null {
    const moment = Date.parse(this.text(name));
    return Number.isNaN(moment) ? null : new Date(moment);
  }

  oneOf<T extends string>(name: string, allowed: readonly T[], missing: T): T {
    const value = this.text(name);
    return allowed.find(each => each === value) ?? missing;
  }

  texts(name: string): string[] {
    return listOf(this.fields[name]).filter(each => typeof each === 'string');
  }

  numbers(name: string): number[] {
    return listOf(this.fields[name]).filter(each => typeof each === 'number');
  }

  list<T>(name: string, read: (each: Reader) => T): T[] {
    return readList(this.fields[name], read);
  }

  maybe<T>(name: string, read: (each: Reader) => T): T | null {
    const value = this.fields[name];
    return isRecord(value) ? read(new Reader(value)) : null;
  }

  object<T>(name: string, read: (each: Reader) => T): T {
    return read(new Reader(this.fields[name]));
  }

  /** Whatever it is. */
  json(name: string): Json {
    // Answers are parsed JSON, which holds nothing else.
    return (this.fields[name] ?? null) as Json;
  }

  /** A JSON object as it is. */
  record(name: string): Record<string, unknown> {
    const value = this.fields[name];
    return isRecord(value) ? value : {};
  }
}

export function readList<T>(value: unknown, read: (each: Reader) => T): T[] {
  return listOf(value)
    .filter(isRecord)
    .map(each => read(new Reader(each)));
}

function listOf(value: unknown): unknown[] {
  return Array.isArray(value) ? value : [];
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
