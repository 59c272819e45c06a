/**
 * Builds test images and pushes them into the storage of a registry: build.ts images|bench-images PACKAGES STORAGE.
 * Prints their digests.
 */
import { BENCH_IMAGES, CONFORMANCE_IMAGES } from '../../test/support/conformance-images.ts';
import type { ImageRecipe } from '../../test/support/conformance-images.ts';
import { Registry } from '../../test/support/registry.ts';
import { tarOf } from '../../test/support/tar.ts';
import { layerMembers } from './layers.ts';
import { packLayer, pushImage } from './push.ts';
import type { PackedLayer } from './push.ts';

const [kind = '', packages = '', storage = ''] = process.argv.slice(2);
const recipes: Readonly<Record<string, ImageRecipe>> = kind === 'images' ? CONFORMANCE_IMAGES : BENCH_IMAGES;
const packed = new Map<string, PackedLayer>();

await using registry = await Registry.start({ storage });
for (const { names, layers, config } of Object.values(recipes)) {
  const digest = await pushImage(registry.address, names, { layers: layers.map(layer), config });
  console.log(`${digest} ${names.join(' ')}`);
}

/** Most layers are in many images. */
function layer(name: string): PackedLayer {
  const found = packed.get(name) ?? packLayer(tarOf(layerMembers(name, packages)));
  packed.set(name, found);
  return found;
}
