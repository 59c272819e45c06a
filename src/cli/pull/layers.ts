import type { PullLine } from '../../client/index.ts';

export type PullProgressLine = Extract<PullLine, { kind: 'progress' }>;

/** A layer as its line shows it. */
export interface LayerProgress {
  /** The first digits of its digest. */
  readonly id: string;
  readonly step: PullProgressLine['step'];
  readonly bytes: number;
  readonly totalBytes: number;
}

const ID_DIGITS = 12;

/** The layers of a pull, in the order in which they are in the image. */
export class PulledLayers {
  readonly #layers = new Map<string, LayerProgress>();

  /** Returns the layer that it is about, and whether its step is another one than before. */
  take({ layer, step, bytes, totalBytes = 0 }: PullProgressLine): LayerProgress | undefined {
    if (layer === undefined) return undefined;
    const id = layer.slice(layer.indexOf(':') + 1).slice(0, ID_DIGITS);
    const progress = { id, step, bytes, totalBytes };
    this.#layers.set(layer, progress);
    return progress;
  }

  all(): LayerProgress[] {
    return [...this.#layers.values()];
  }
}
