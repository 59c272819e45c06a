import { BerthError } from '../base/errors.ts';
import { EMPTY_LAYER } from './layer-records.ts';
import type { Layer } from './layer-records.ts';

/** mount(2) takes one page of options, with the zero byte at its end. */
const LONGEST_OPTIONS_BYTES = 4_095;

export interface OverlayOrder {
  /** Names of layers, the top one first. */
  readonly lower: readonly string[];
  /** Where writes go; without it nothing can be written. */
  readonly own?: { readonly upper: string; readonly work: string };
  readonly flags?: readonly string[];
}

/**
 * The option string of an overlay whose layers are named from the folder of all layers.
 * @throws BerthError Unsupported when there are too many layers for it
 * @see kernel Documentation/filesystems/overlayfs.rst
 */
export function overlayOptions({ lower, own, flags = [] }: OverlayOrder): string {
  const writable = own === undefined ? [] : [`upperdir=${escaped(own.upper)}`, `workdir=${escaped(own.work)}`];
  const options = [...flags, `lowerdir=${lower.join(':')}`, ...writable].join(',');
  if (Buffer.byteLength(options) <= LONGEST_OPTIONS_BYTES) return options;
  throw new BerthError(
    'Unsupported',
    `Cannot mount image: it has ${lower.length} layers, their names must fit into ${LONGEST_OPTIONS_BYTES} bytes`,
  );
}

/** The layers that can be seen, the top one first; an empty one where there is none. @param layers from the bottom up */
export function visibleLayers(layers: readonly Layer[]): string[] {
  const bottom = layers.findLastIndex(({ hidesLower }) => hidesLower);
  const names = layers.slice(Math.max(bottom, 0)).map(({ name }) => name);
  return names.length === 0 ? [EMPTY_LAYER] : names.toReversed();
}

function escaped(path: string): string {
  return path.replace(/[\\,]/g, '\\$&');
}
