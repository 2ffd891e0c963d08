/** A table whose order is chosen at its head; of a long one only the rows in sight are drawn. */
import { useWindowVirtualizer } from '@tanstack/react-virtual';
import { useLayoutEffect, useMemo, useRef, useState, type ReactNode } from 'react';

import { useConsole } from '../model/console';

export interface Column<T> {
  readonly name: string;
  readonly title: string;
  /** By what it is ordered: numbers with the largest first, names by the alphabet. */
  readonly of: (row: T) => number | string | null;
  readonly shown?: (row: T) => ReactNode;
}

/** Shorter ones are drawn whole. */
const SHORT = 100;
/** As high as the style makes the rows of a long one. */
const ROW_PX = 36;
const BEYOND = 12;

export function LongTable<T>(props: {
  name: string;
  label: string;
  columns: readonly Column<T>[];
  rows: readonly T[];
  keyOf: (row: T) => string;
  isChosen?: (row: T) => boolean;
  /** By which column; empty: as the rows come. */
  sort: string;
  onSort: (sort: string) => void;
}): React.JSX.Element {
  const { trans } = useConsole();
  const { columns, rows, sort } = props;
  const ordered = useMemo(() => orderedBy(rows, columns, sort), [rows, columns, sort]);
  return (
    <div className="table-frame">
      <table
        className={rows.length > SHORT ? 'long-table long-table-virtual' : 'long-table'}
        aria-label={props.label}
        aria-rowcount={rows.length + 1}
        data-sublet={props.name}
      >
        <thead>
          <tr>
            {columns.map(each => (
              <th
                key={each.name}
                scope="col"
                className={isNumber(each, rows) ? 'number' : ''}
                {...(each.name === sort ? { 'aria-sort': orderOf(each, rows) } : {})}
              >
                <button
                  type="button"
                  className="head"
                  title={trans.__('Order by this')}
                  onClick={() => {
                    props.onSort(each.name === sort ? '' : each.name);
                  }}
                >
                  {each.title}
                  {each.name === sort && <span aria-hidden="true"> ▾</span>}
                </button>
              </th>
            ))}
          </tr>
        </thead>
        {rows.length > SHORT ? (
          <LongBody {...props} rows={ordered} />
        ) : (
          <tbody>
            {ordered.map(row => (
              <tr key={props.keyOf(row)} className={props.isChosen?.(row) === true ? 'chosen' : ''}>
                <Cells columns={columns} row={row} />
              </tr>
            ))}
          </tbody>
        )}
      </table>
    </div>
  );
}

function LongBody<T>(props: {
  columns: readonly Column<T>[];
  rows: readonly T[];
  keyOf: (row: T) => string;
  isChosen?: (row: T) => boolean;
}): React.JSX.Element {
  const { columns, rows } = props;
  const body = useRef<HTMLTableSectionElement>(null);
  const [top, setTop] = useState(0);
  useLayoutEffect(() => {
    setTop((body.current?.getBoundingClientRect().top ?? 0) + window.scrollY);
  }, []);
  const virtualizer = useWindowVirtualizer({
    count: rows.length,
    estimateSize: () => ROW_PX,
    overscan: BEYOND,
    scrollMargin: top
  });
  const items = virtualizer.getVirtualItems();
  const before = (items[0]?.start ?? top) - top;
  const after = virtualizer.getTotalSize() - ((items.at(-1)?.end ?? top) - top);
  return (
    <tbody ref={body}>
      <Room height_px={before} columns={columns.length} />
      {items.map(item => {
        const row = rows[item.index];
        return (
          row !== undefined && (
            <tr
              key={props.keyOf(row)}
              aria-rowindex={item.index + 2}
              className={props.isChosen?.(row) === true ? 'chosen' : ''}
            >
              <Cells columns={columns} row={row} />
            </tr>
          )
        );
      })}
      <Room height_px={after} columns={columns.length} />
    </tbody>
  );
}

/** The room of the rows that are not drawn. */
function Room(props: { height_px: number; columns: number }): React.JSX.Element | null {
  return props.height_px <= 0 ? null : (
    <tr aria-hidden="true" className="room">
      <td colSpan={props.columns} style={{ height: `${String(props.height_px)}px` }} />
    </tr>
  );
}

function Cells<T>(props: { columns: readonly Column<T>[]; row: T }): React.JSX.Element {
  return (
    <>
      {props.columns.map((each, at) => {
        const value = each.of(props.row);
        const shown = each.shown === undefined ? value : each.shown(props.row);
        return at === 0 ? (
          <th key={each.name} scope="row">
            {shown}
          </th>
        ) : (
          <td key={each.name} className={typeof value === 'string' ? '' : 'number'}>
            {shown ?? '–'}
          </td>
        );
      })}
    </>
  );
}

function isNumber<T>(column: Column<T>, rows: readonly T[]): boolean {
  const [first] = rows;
  return first !== undefined && typeof column.of(first) !== 'string';
}

function orderOf<T>(column: Column<T>, rows: readonly T[]): 'ascending' | 'descending' {
  return isNumber(column, rows) ? 'descending' : 'ascending';
}

/** In the order of a column; what it does not tell comes last. */
export function orderedBy<T>(
  rows: readonly T[],
  columns: readonly Column<T>[],
  sort: string
): readonly T[] {
  const column = columns.find(each => each.name === sort);
  if (column === undefined) {
    return rows;
  }
  return [...rows].sort((one, other) => {
    const [a, b] = [column.of(one), column.of(other)];
    return typeof a === 'string' || typeof b === 'string'
      ? String(a ?? '').localeCompare(String(b ?? ''))
      : (b ?? -1) - (a ?? -1);
  });
}
