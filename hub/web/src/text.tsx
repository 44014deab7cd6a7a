// One line of text in a form, with what is to be known about it. Never completed by the browser: what is typed is of other people.
export function Text(props: { id: string; text: string; hint?: string; value: string; onInput: (v: string) => void }) {
  return (
    <div class="field">
      <label for={props.id}>{props.text}</label>
      <input id={props.id} type="text" autocomplete="off" value={props.value} aria-describedby={props.hint && `${props.id}-hint`} onInput={(e) => props.onInput((e.target as HTMLInputElement).value)} />
      {props.hint && (
        <p class="quiet" id={`${props.id}-hint`}>
          {props.hint}
        </p>
      )}
    </div>
  );
}
