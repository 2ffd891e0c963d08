/** The room in a table of the rows that are not in sight, and so not drawn. */
import type { Virtualizer } from '@tanstack/react-virtual';

export function Room(props: { height_px: number; columns: number }): React.JSX.Element | null {
  return props.height_px <= 0 ? null : (
    <tr aria-hidden="true" className="room">
      <td colSpan={props.columns} style={{ height: `${String(props.height_px)}px` }} />
    </tr>
  );
}

/** How high it is above and below the rows that are drawn, where the table begins at `top`. */
export function roomAround(
  virtualizer: Virtualizer<Window, Element>,
  top: number
): { above_px: number; below_px: number } {
  const items = virtualizer.getVirtualItems();
  return {
    above_px: (items[0]?.start ?? top) - top,
    below_px: virtualizer.getTotalSize() - ((items.at(-1)?.end ?? top) - top)
  };
}
