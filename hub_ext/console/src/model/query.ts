/** How a view's choices stand in the address: only what is not as usual is written. */

export function oneOf<T extends string>(
  allowed: readonly T[],
  value: string | null,
  missing: T
): T {
  return allowed.find(each => each === value) ?? missing;
}

/** Of each its name, its value, and what is usual; `null`: it is not written. */
export function queryFrom(
  choices: readonly (readonly [name: string, value: string | null, usual: string | null])[]
): URLSearchParams {
  const query = new URLSearchParams();
  for (const [name, value, usual] of choices) {
    if (value !== null && value !== usual) {
      query.set(name, value);
    }
  }
  return query;
}
