/** The part of JupyterLab's translation bundle that is used here: its texts fit both. */
export interface TranslationBundle {
  /** A sentence, with `%1`, `%2`, … for what is put in. */
  __: (msgid: string, ...args: (string | number)[]) => string;
  /** A sentence of one, or of several; `%1` is how many. */
  _n: (singular: string, plural: string, n: number, ...args: (string | number)[]) => string;
}
