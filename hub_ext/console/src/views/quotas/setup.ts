/** The editor's own parts: what of CodeMirror is used, in the page's colours, under the page's policy. */
import { autocompletion, completionKeymap, type CompletionSource } from '@codemirror/autocomplete';
import { defaultKeymap, history, historyKeymap } from '@codemirror/commands';
import { yaml } from '@codemirror/lang-yaml';
import {
  bracketMatching,
  HighlightStyle,
  indentOnInput,
  indentUnit,
  syntaxHighlighting
} from '@codemirror/language';
import { lintGutter } from '@codemirror/lint';
import { search, searchKeymap } from '@codemirror/search';
import { EditorState, type Extension } from '@codemirror/state';
import {
  drawSelection,
  EditorView,
  highlightActiveLine,
  highlightActiveLineGutter,
  keymap,
  lineNumbers
} from '@codemirror/view';
import { tags } from '@lezer/highlight';
import type { TranslationBundle } from '@sublet-lab/format/translation';

import quotaSchema from '../../../../../quota/quota.schema.json';
import { proposalsAt } from './completion';

const COLOURS = HighlightStyle.define([
  { tag: [tags.definition(tags.propertyName), tags.propertyName], color: 'var(--link)' },
  { tag: [tags.string, tags.content], color: 'var(--text)' },
  { tag: [tags.lineComment, tags.comment], color: 'var(--quiet)', fontStyle: 'italic' },
  { tag: [tags.keyword, tags.bool, tags.null], color: 'var(--good)' },
  { tag: [tags.punctuation, tags.separator, tags.squareBracket, tags.brace], color: 'var(--quiet)' }
]);

const THEME = EditorView.theme({
  '&': { backgroundColor: 'var(--back)', color: 'var(--text)', height: '100%' },
  '.cm-content': { caretColor: 'var(--text)', fontFamily: 'monospace' },
  '.cm-cursor': { borderLeftColor: 'var(--text)' },
  '.cm-gutters': {
    backgroundColor: 'var(--back-2)',
    color: 'var(--quiet)',
    borderRight: '1px solid var(--line)'
  },
  '.cm-activeLine, .cm-activeLineGutter': { backgroundColor: 'var(--back-2)' },
  '&.cm-focused .cm-selectionBackground, .cm-selectionBackground': {
    backgroundColor: 'var(--held) !important'
  },
  '.cm-tooltip, .cm-panels': {
    backgroundColor: 'var(--back-2)',
    color: 'var(--text)',
    border: '1px solid var(--line)'
  },
  '.cm-tooltip-autocomplete ul li[aria-selected]': {
    backgroundColor: 'var(--link)',
    color: 'var(--back)'
  },
  '.cm-completionInfo': { maxWidth: '28rem', whiteSpace: 'normal' }
});

/** The nonce by which the page's policy knows its own styles. */
function pageNonce(): string {
  return document.querySelector<HTMLScriptElement>('script[nonce]')?.nonce ?? '';
}

const proposed: CompletionSource = context => {
  const { from, list } = proposalsAt(quotaSchema, context.state.doc.toString(), context.pos);
  if (list.length === 0 || (from === context.pos && !context.explicit)) {
    return null;
  }
  return {
    from,
    validFor: /^[\w.-]*$/,
    options: list.map(each => ({
      label: each.word,
      apply: each.insert,
      type: each.kind === 'key' ? 'property' : 'constant',
      ...(each.about === '' ? {} : { info: each.about })
    }))
  };
};

export interface Setup {
  readonly label: string;
  readonly readOnly: boolean;
  readonly onChange: (text: string) => void;
}

export function extensions(setup: Setup, trans: TranslationBundle): Extension {
  return [
    EditorView.cspNonce.of(pageNonce()),
    EditorState.phrases.of(phrases(trans)),
    EditorView.contentAttributes.of({ 'aria-label': setup.label, tabindex: '0' }),
    lineNumbers(),
    highlightActiveLine(),
    highlightActiveLineGutter(),
    drawSelection(),
    lintGutter(),
    yaml(),
    indentUnit.of('  '),
    syntaxHighlighting(COLOURS),
    bracketMatching(),
    search({ top: true }),
    EditorView.lineWrapping,
    THEME,
    setup.readOnly ? [EditorState.readOnly.of(true)] : writing(setup.onChange),
    // Without a Tab of its own: that key leaves the editor, as it leaves every field of the page.
    keymap.of([...searchKeymap, ...defaultKeymap])
  ];
}

function writing(onChange: (text: string) => void): Extension {
  return [
    history(),
    indentOnInput(),
    autocompletion({ override: [proposed] }),
    keymap.of([...completionKeymap, ...historyKeymap]),
    EditorView.updateListener.of(update => {
      if (update.docChanged) {
        onChange(update.state.doc.toString());
      }
    })
  ];
}

function phrases(trans: TranslationBundle): Record<string, string> {
  return {
    Find: trans.__('Find'),
    Replace: trans.__('Replace'),
    next: trans.__('next'),
    previous: trans.__('previous'),
    all: trans.__('all'),
    'match case': trans.__('match case'),
    'by word': trans.__('by word'),
    regexp: trans.__('regular expression'),
    replace: trans.__('replace'),
    'replace all': trans.__('replace all'),
    close: trans.__('close'),
    'Go to line': trans.__('Go to line'),
    go: trans.__('go'),
    Completions: trans.__('What may stand here')
  };
}
