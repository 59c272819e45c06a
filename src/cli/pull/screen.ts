import type { Output } from '../print/output.ts';
import { neutralise } from '../print/neutral.ts';
import { drawLayers } from './draw.ts';
import { PulledLayers } from './layers.ts';
import type { PullProgressLine } from './layers.ts';

const DRAW_EVERY_MS = 60;

/**
 * Shows how far a pull is. On a terminal there is a line for each layer, with a bar, drawn anew in its place; elsewhere
 * a line for each step.
 */
export class PullScreen implements Disposable {
  readonly #out: Output;
  readonly #layers = new PulledLayers();
  readonly #steps = new Map<string, string>();
  #drawn = 0;
  #lastDrawnAt = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(out: Output) {
    this.#out = out;
  }

  show(line: PullProgressLine): void {
    const layer = this.#layers.take(line);
    if (layer === undefined) return;
    if (this.#out.isTerminal) this.#drawSoon();
    else if (line.bytes > 0 && this.#steps.get(layer.id) !== layer.step) {
      this.#steps.set(layer.id, layer.step);
      void this.#out.line(neutralise(`${layer.id}: ${layer.step}`)); // what nobody reads in time is kept by the stream
    }
  }

  /** Leaves the lines as they are at the end. */
  [Symbol.dispose](): void {
    if (this.#timer === undefined) return;
    clearTimeout(this.#timer);
    this.#draw();
  }

  #drawSoon(): void {
    const wait = this.#lastDrawnAt + DRAW_EVERY_MS - performance.now();
    this.#timer ??= setTimeout(() => this.#draw(), Math.max(wait, 0));
  }

  #draw(): void {
    this.#timer = undefined;
    this.#lastDrawnAt = performance.now();
    const lines = drawLayers(this.#layers.all(), this.#out.size);
    const up = this.#drawn === 0 ? '' : `\x1b[${this.#drawn}A`;
    // Fewer lines than before, as layers are done: what stands below them goes too.
    const text = lines.map((line) => `\r\x1b[K${line}\n`).join('');
    void this.#out.write(`${up}${text}\x1b[J`);
    this.#drawn = lines.length;
  }
}
