import { createHash } from 'node:crypto';

/**
 * The name of each layer together with all below it, from the bottom up.
 * @param diffIds the digests of the uncompressed layers
 * @see OCI image-spec config.md, Layer ChainID
 */
export function chainIds(diffIds: readonly string[]): string[] {
  const chain: string[] = [];
  for (const diffId of diffIds) {
    const below = chain.at(-1);
    chain.push(below === undefined ? diffId : sha256(`${below} ${diffId}`));
  }
  return chain;
}

function sha256(text: string): string {
  return `sha256:${createHash('sha256').update(text).digest('hex')}`;
}

/** What an unpacked layer is called among blobs: a bottom layer has the chain id that its uncompressed blob has as digest. */
export function layerKey(chainId: string): string {
  return `unpacked ${chainId}`;
}

/**
 * The name of a layer's folder: 26 digits of base 32, which are 130 bits of its chain id. Short, because overlay's
 * option string, with the names of all layers, must fit into one page.
 */
export function layerFolderName(chainId: string): string {
  const hex = chainId.slice('sha256:'.length);
  return (BigInt(`0x${hex.slice(0, 33)}`) >> 2n).toString(32).padStart(26, '0');
}
