/**
 * Holds every import in src/ against the table of docs/architecture.md: who may import whom, type imports included. A
 * folder is entered from outside through its index.ts. Fails when it has checked nothing.
 */
import { readFileSync, readdirSync } from 'node:fs';
import { dirname, join, normalize, relative } from 'node:path';

const SRC = new URL('../src', import.meta.url).pathname;

/** Layer → what it may import. `engine/ports` stands for the types that ports are made of. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  base: [],
  linux: ['base'],
  engine: ['base'],
  runtime: ['engine/ports', 'linux', 'base', 'gen/oci'],
  images: ['engine/ports', 'linux', 'base'],
  network: ['engine/ports', 'linux', 'base', 'gen/cni'],
  state: ['engine/ports', 'base'],
  nri: ['engine/ports', 'base', 'gen/nri'],
  'api/cri': ['engine', 'engine/ports', 'api', 'api/streaming', 'api/metrics', 'base', 'gen/cri'],
  'api/docker': ['engine', 'engine/ports', 'api', 'api/streaming', 'base', 'gen/docker'],
  'api/berth': ['engine', 'engine/ports', 'api', 'base'],
  'api/streaming': ['api', 'base'],
  'api/metrics': ['engine', 'api', 'base'],
  api: ['base'],
  client: ['base', 'api/error-table', 'api/berth:types'],
  cli: ['client', 'base', 'api/error-table', 'daemon:dynamic'],
  daemon: ['*'],
  gen: [],
};

/** Shapes that ports are made of: drivers speak of rows and specs too. */
const PORT_FILES = /^engine\/(ports|rows|container\/(spec|state)|sandbox\/state)\.ts$/;
/** Folders whose files are all entered from outside, as those of gen/ are. */
const OPEN = new Set(['base', 'linux']);
/** npm packages that only these layers may use. */
const PACKAGE_OWNERS: Readonly<Record<string, readonly string[]>> = { koffi: ['linux'] };
const WITHOUT_NODE = /^node:(fs|http|http2|net|child_process|worker_threads)/;

interface Import {
  readonly file: string;
  readonly target: string;
  readonly isType: boolean;
  readonly isDynamic: boolean;
}

function filesIn(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) =>
    entry.isDirectory()
      ? filesIn(join(folder, entry.name))
      : entry.name.endsWith('.ts')
        ? [join(folder, entry.name)]
        : [],
  );
}

function importsOf(file: string): Import[] {
  const text = readFileSync(file, 'utf8');
  const fixed = [...text.matchAll(/^(?:import|export)\s(type\s)?[^;]*?from\s+'([^']+)'/gms)];
  const bare = [...text.matchAll(/^import\s+'([^']+)'/gm)];
  const dynamic = [...text.matchAll(/import\('([^']+)'\)/g)];
  return [
    ...fixed.map(([, type, target = '']) => ({ file, target, isType: type !== undefined, isDynamic: false })),
    ...bare.map(([, target = '']) => ({ file, target, isType: false, isDynamic: false })),
    ...dynamic.map(([, target = '']) => ({ file, target, isType: false, isDynamic: true })),
  ];
}

function layerOf(path: string): string {
  const [first = '', second = ''] = path.split('/');
  if (first === 'api' || first === 'gen') return second.includes('.') ? first : `${first}/${second}`;
  return first.endsWith('.ts') ? 'root' : first;
}

function problemOf({ file, target, isType, isDynamic }: Import): string | undefined {
  const from = relative(SRC, file);
  const layer = layerOf(from);
  if (layer === 'root') return undefined;
  if (!target.startsWith('.')) return packageProblem(layer, target, isType);
  const to = relative(SRC, normalize(join(dirname(file), target)));
  const toLayer = layerOf(to);
  if (toLayer === layer) return undefined;
  if (to.startsWith('..')) return `reaches out of src: ${target}`;
  if (isAllowed(layer, to, toLayer, isType, isDynamic)) return undefined;
  return `${layer} may not import ${to}`;
}

function isAllowed(layer: string, to: string, toLayer: string, isType: boolean, isDynamic: boolean): boolean {
  const allowed = MAY_IMPORT[layer] ?? [];
  const isIndex = to.endsWith('/index.ts');
  if (to === 'api/error-table.ts')
    return allowed.includes('api') || allowed.includes('api/error-table') || layer === 'daemon';
  if (PORT_FILES.test(to) && (allowed.includes('engine/ports') || allowed.includes('*'))) return true;
  if (allowed.includes('*')) return (isIndex || isOpen(toLayer)) && toLayer !== 'cli';
  if (allowed.includes(`${toLayer}:types`)) return isType;
  if (allowed.includes(`${toLayer}:dynamic`)) return isDynamic && isIndex;
  return allowed.includes(toLayer) && (isIndex || isOpen(toLayer) || toLayer === 'api');
}

function isOpen(layer: string): boolean {
  return OPEN.has(layer) || layer.startsWith('gen/');
}

function packageProblem(layer: string, target: string, isType: boolean): string | undefined {
  if (layer === 'engine' && !isType && (WITHOUT_NODE.test(target) || !target.startsWith('node:'))) {
    return `engine knows no file, socket or package: ${target}`;
  }
  const owners = PACKAGE_OWNERS[target];
  return owners === undefined || owners.includes(layer) ? undefined : `only ${owners.join(', ')} may import ${target}`;
}

const imports = filesIn(SRC).flatMap(importsOf);
const problems = imports.flatMap((each) => {
  const problem = problemOf(each);
  return problem === undefined ? [] : [`${relative(process.cwd(), each.file)}: ${problem}`];
});
if (imports.length < 100) problems.push(`only ${imports.length} imports were found: the check itself is broken`);
for (const problem of problems) console.error(problem);
console.log(`layers: ${imports.length} imports, ${problems.length} against the table`);
process.exit(problems.length === 0 ? 0 : 1);
