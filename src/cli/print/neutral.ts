/**
 * What steers a terminal or hides on it: controls, escape sequences, marks of writing direction, separators and lone
 * surrogates. Anybody may put them in a name, a label or a message, so they are shown instead of obeyed.
 */
const STEERING = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu;

const SHORT: Readonly<Record<string, string>> = { '\n': '\\n', '\r': '\\r', '\t': '\\t' };

/** The text on one line, with everything that would act on a terminal as a visible escape. */
export function neutralise(text: string): string {
  return text.replace(STEERING, (character) => SHORT[character] ?? escape(character));
}

/** JSON that a terminal takes as text too; its own escapes leave some of these characters alone. */
export function jsonText(value: unknown, indent?: number): string {
  const text = JSON.stringify(value, undefined, indent);
  return text.replace(STEERING, (character) => (character === '\n' ? character : unicodeEscapes(character)));
}

function escape(character: string): string {
  const code = character.codePointAt(0) ?? 0;
  return code <= 0xff ? `\\x${code.toString(16).padStart(2, '0')}` : `\\u{${code.toString(16)}}`;
}

function unicodeEscapes(character: string): string {
  const units = Array.from({ length: character.length }, (_, index) => character.charCodeAt(index));
  return units.map((unit) => `\\u${unit.toString(16).padStart(4, '0')}`).join('');
}
