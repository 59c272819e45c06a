import { BerthError } from '../base/errors.ts';
import { EMPTY_LAYER, PADDING_LAYER } from './layer-records.ts';
import type { Layer } from './layer-records.ts';

/** mount(2) takes one page of options, with the zero byte at its end. */
const LONGEST_OPTIONS_BYTES = 4_095;

export interface OverlayOrder {
  /** Names of layers, the top one first. */
  readonly lower: readonly string[];
  /** Where writes go, in full or from the folder of all layers; without it nothing can be written. */
  readonly own?: { readonly upper: string; readonly work: string };
  readonly flags?: readonly string[];
}

/**
 * The option string of an overlay. Everything in it is named from the folder of all layers, so that how many layers fit
 * into it does not depend on where that is: 143 below a container.
 * @throws BerthError Unsupported when there are too many
 * @see kernel Documentation/filesystems/overlayfs.rst
 */
export function overlayOptions({ lower, own, flags = [] }: OverlayOrder): string {
  const writable = own === undefined ? [] : [`upperdir=${escaped(own.upper)}`, `workdir=${escaped(own.work)}`];
  const optionsFor = (names: string): string => [...flags, `lowerdir=${names}`, ...writable].join(',');
  const options = optionsFor(lower.join(':'));
  if (Buffer.byteLength(options) <= LONGEST_OPTIONS_BYTES) return options;
  const room = LONGEST_OPTIONS_BYTES - Buffer.byteLength(optionsFor('')) + 1;
  const most = Math.floor(room / ((lower[0]?.length ?? 0) + 1));
  throw new BerthError(
    'Unsupported',
    `Cannot mount image: it has ${lower.length} layers, a mount takes ${most} at most`,
  );
}

/** The layers that can be seen, the top one first; an empty one where there is none. @param layers from the bottom up */
export function visibleLayers(layers: readonly Layer[]): string[] {
  const bottom = layers.findLastIndex(({ hidesLower }) => hidesLower);
  const names = layers.slice(Math.max(bottom, 0)).map(({ name }) => name);
  return names.length === 0 ? [EMPTY_LAYER] : names.toReversed();
}

/** An overlay that cannot be written takes two layers at least, and not the same one twice. */
export function readonlyLayers(lower: readonly string[]): readonly string[] {
  return lower.length > 1 ? lower : [...lower, PADDING_LAYER];
}

function escaped(path: string): string {
  return path.replace(/[\\,]/g, '\\$&');
}
