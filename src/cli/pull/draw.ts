import { formatSize } from '../../base/units.ts';
import { neutralise } from '../print/neutral.ts';
import { shorten } from '../print/width.ts';
import type { LayerProgress } from './layers.ts';

const STEP_WORDS: Readonly<Record<LayerProgress['step'], string>> = {
  resolving: 'waiting',
  downloading: 'downloading',
  unpacking: 'unpacking',
  done: 'done',
};
const STEP_WIDTH = 11;
const LONGEST_BAR = 40;
const SHORTEST_BAR = 10;
/** `123.4 MiB / 123.4 MiB` */
const SIZES_WIDTH = 21;

/** The lines of a pull, as many as the terminal can show at once: then those that are done are counted only. */
export function drawLayers(
  layers: readonly LayerProgress[],
  { columns, rows }: { readonly columns: number; readonly rows: number },
): string[] {
  const room = Math.max(rows - 2, 1); // for the line below, where the cursor is
  const shown = layers.length <= room ? layers : layers.filter(({ step }) => step !== 'done').slice(0, room - 1);
  const lines = shown.map((layer) => shorten(drawLayer(layer, columns), columns - 1));
  if (shown.length === layers.length) return lines;
  const done = layers.filter(({ step }) => step === 'done').length;
  return [...lines, `${done} of ${layers.length} layers done`];
}

function drawLayer(layer: LayerProgress, columns: number): string {
  const { id, step, bytes, totalBytes } = layer;
  const head = `${neutralise(id)}  ${wordOf(layer).padEnd(STEP_WIDTH)}`;
  if (step === 'done') return `${head}  ${formatSize(totalBytes)}`;
  if (bytes === 0) return head.trimEnd();
  const sizes = `${formatSize(bytes)} / ${formatSize(totalBytes)}`;
  const width = Math.min(columns - 1 - head.length - 6 - SIZES_WIDTH, LONGEST_BAR);
  return width < SHORTEST_BAR ? `${head}  ${sizes}` : `${head}  [${bar(bytes, totalBytes, width)}]  ${sizes}`;
}

/** Nothing has come of what is downloaded: it waits for its turn. */
function wordOf({ step, bytes }: LayerProgress): string {
  return step === 'downloading' && bytes === 0 ? 'waiting' : STEP_WORDS[step];
}

function bar(bytes: number, totalBytes: number, width: number): string {
  const part = totalBytes === 0 ? 1 : Math.min(bytes / totalBytes, 1);
  const filled = Math.round(part * width);
  const isWhole = filled === width;
  return `${'='.repeat(Math.max(filled - 1, 0))}${filled === 0 ? '' : isWhole ? '=' : '>'}`.padEnd(width);
}
