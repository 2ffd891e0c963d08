/** A text of YAML that is written, with what is wrong in it at its place. */
import { setDiagnostics, type Diagnostic } from '@codemirror/lint';
import { EditorState, type Text } from '@codemirror/state';
import { EditorView } from '@codemirror/view';
import { useEffect, useRef } from 'react';

import type { QuotaCheck } from '../../api/types';
import { useConsole } from '../../model/console';
import { extensions } from './setup';

/** A place to show; the same place again is another wish. */
export interface Place {
  readonly line: number;
  readonly column: number;
}

export interface EditorProps {
  readonly label: string;
  readonly text: string;
  readonly readOnly: boolean;
  readonly check: QuotaCheck | null;
  readonly place: Place | null;
  readonly onChange: (text: string) => void;
}

export function Editor(props: EditorProps): React.JSX.Element {
  const { trans } = useConsole();
  const { label, text, readOnly, check, place } = props;
  const frame = useRef<HTMLDivElement>(null);
  const view = useRef<EditorView | null>(null);
  const latest = useRef(props);
  latest.current = props;
  useEffect(() => {
    if (frame.current === null) {
      return;
    }
    const made = new EditorView({
      parent: frame.current,
      state: EditorState.create({
        doc: latest.current.text,
        extensions: extensions(
          {
            label,
            readOnly,
            onChange: changed => {
              latest.current.onChange(changed);
            }
          },
          trans
        )
      })
    });
    view.current = made;
    return () => {
      made.destroy();
      view.current = null;
    };
  }, [label, readOnly, trans]);
  useEffect(() => {
    const shown = view.current;
    if (shown !== null && shown.state.doc.toString() !== text) {
      shown.dispatch({ changes: { from: 0, to: shown.state.doc.length, insert: text } });
    }
  }, [text]);
  useEffect(() => {
    const shown = view.current;
    shown?.dispatch(setDiagnostics(shown.state, diagnosticsOf(check, shown.state.doc)));
  }, [check, label, readOnly, trans]);
  useEffect(() => {
    const shown = view.current;
    if (shown !== null && place !== null) {
      const anchor = offsetOf(shown.state.doc, place.line, place.column);
      shown.dispatch({
        selection: { anchor },
        effects: EditorView.scrollIntoView(anchor, { y: 'center' })
      });
      shown.focus();
    }
  }, [place]);
  return <div ref={frame} className="editor" data-sublet="editor" />;
}

function diagnosticsOf(check: QuotaCheck | null, text: Text): Diagnostic[] {
  const problems = (check?.problems ?? []).map(each => ({
    ...spanOf(text, each.line, each.column),
    severity: 'error' as const,
    message: each.key === '' ? each.message : `${each.key} ${each.message}`
  }));
  const warnings = (check?.warnings ?? [])
    .filter(each => each.line !== null)
    .map(each => ({
      ...spanOf(text, each.line ?? 1, null),
      severity: 'warning' as const,
      message: each.key === '' ? each.message : `${each.key}: ${each.message}`
    }));
  return [...problems, ...warnings].sort((one, other) => one.from - other.from);
}

/** From a column to the end of its word; without one the line. */
function spanOf(text: Text, line: number, column: number | null): { from: number; to: number } {
  const told = text.line(Math.min(Math.max(1, line), text.lines));
  const indent = told.text.length - told.text.trimStart().length;
  const from = column === null ? told.from + indent : offsetOf(text, line, column);
  const word = /^["']?[^\s:,{}[\]]+["']?/.exec(text.sliceString(from, told.to));
  const length = column === null ? told.to - from : (word?.[0].length ?? 1);
  return { from, to: Math.min(text.length, Math.max(from, from + length)) };
}

/** The service counts characters, the browser their halves where they are rare ones. */
function offsetOf(text: Text, line: number, column: number): number {
  const told = text.line(Math.min(Math.max(1, line), text.lines));
  const before = Array.from(told.text)
    .slice(0, Math.max(0, column - 1))
    .join('');
  return told.from + before.length;
}
