/**
 * Buttons that leave the keyboard where it is.
 *
 * A button that is disabled, or taken away, while it has the focus loses it: whoever uses no mouse
 * would begin anew at the top of the page.
 */
import * as React from 'react';

export interface ButtonProps extends Omit<
  React.ComponentPropsWithRef<'button'>,
  'type' | 'disabled' | 'aria-disabled'
> {
  /** It can do nothing at the moment. */
  off?: boolean;
  /** Of a form, which is sent by it. */
  submits?: boolean;
  'data-sublet'?: string;
}

export const Button = React.forwardRef<HTMLButtonElement, ButtonProps>(function Button(props, ref) {
  const { off = false, submits = false, onClick, ...rest } = props;
  return (
    <button
      {...rest}
      ref={ref}
      type={submits ? 'submit' : 'button'}
      {...(off ? { 'aria-disabled': true } : {})}
      onClick={event => {
        if (off) {
          event.preventDefault();
        } else {
          onClick?.(event);
        }
      }}
    />
  );
});

/** For an element that may be taken away: the focus that it has then goes to `heir`. */
export function useHeir<T extends HTMLElement>(
  heir: React.RefObject<HTMLElement>
): React.RefCallback<T> {
  const holder = React.useRef<T | null>(null);
  return React.useCallback(
    (element: T | null) => {
      // React tells of the end while the element is still in the page.
      if (element === null && holder.current === document.activeElement) {
        heir.current?.focus();
      }
      holder.current = element;
    },
    [heir]
  );
}
