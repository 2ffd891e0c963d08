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

/** So long after a button has come to mean something else, a press is still meant for what it was. */
export const STEADY_MS = 500;
/** What changes so soon after a press is that press's own doing. */
const OWN_MS = 1_000;

type Press = (event: React.MouseEvent) => void;

/**
 * For a button that comes to mean something else where it is, now and then without being pressed:
 * who was about to press it did not mean that.
 *
 * What one's own press has changed may be taken back at once, but not by the same double click.
 */
export function useSteady(meaning: string): (press: () => void) => Press {
  const button = React.useRef({ meaning, changedAt: -Infinity, pressedAt: -Infinity });
  React.useLayoutEffect(() => {
    if (button.current.meaning !== meaning) {
      button.current.meaning = meaning;
      button.current.changedAt = performance.now();
    }
  }, [meaning]);
  return press => event => {
    const { changedAt, pressedAt } = button.current;
    const now = performance.now();
    const isOwn = changedAt >= pressedAt && changedAt - pressedAt < OWN_MS && event.detail <= 1;
    if (isOwn || now - changedAt >= STEADY_MS) {
      button.current.pressedAt = now;
      press();
    }
  };
}

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
