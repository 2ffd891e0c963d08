/** A word with a colour, never told by the colour alone. */
export type Tone = 'good' | 'warn' | 'bad' | 'plain';

export function Tag(props: {
  tone: Tone;
  title?: string;
  name?: string;
  children: React.ReactNode;
}): React.JSX.Element {
  return (
    <span
      className={`tag tag-${props.tone}`}
      {...(props.title === undefined ? {} : { title: props.title })}
      {...(props.name === undefined ? {} : { 'data-sublet': props.name })}
    >
      {props.children}
    </span>
  );
}
