/** In characters, not in UTF-16 units. */
export function widthOf(text: string): number {
  return Array.from(text).length;
}

/** At most so many characters; what is missing shows as `…`. */
export function shorten(text: string, width: number): string {
  const characters = Array.from(text);
  return characters.length <= width ? text : `${characters.slice(0, width - 1).join('')}…`;
}
