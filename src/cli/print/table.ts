import { neutralise } from './neutral.ts';
import { widthOf } from './width.ts';

const GAP = '  ';

/**
 * Lines of a table whose columns are as wide as what is in them. Cells come from anywhere and are neutralised.
 * @param headings also says how many columns there are
 */
export function tableLines(headings: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const lines = [headings, ...rows].map((cells) => headings.map((_, column) => neutralise(cells[column] ?? '')));
  const widths = headings.map((_, column) => Math.max(...lines.map((cells) => widthOf(cells[column] ?? ''))));
  return lines.map((cells) => {
    const padded = cells.map((cell, column) => cell + ' '.repeat((widths[column] ?? 0) - widthOf(cell)));
    return padded.join(GAP).trimEnd();
  });
}
