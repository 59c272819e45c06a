/**
 * npm run generate: makes src/gen/cri/api.ts from src/gen/cri/cri-v1.json, the CRI's names, numbers and types. With
 * --check nothing is written; it fails when what is there is not what would be made.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { toProto } from './generate/to-proto.ts';
import type { Interface } from './generate/to-proto.ts';

const FOLDER = new URL('../src/gen/cri/', import.meta.url);

/**
 * `enumsAsLiterals`: Node strips types and refuses enums. `forceLong`: an int64 has more digits than a number. What the
 * rest leaves out is code that nobody calls: 500 KiB instead of 750.
 */
const OPTIONS = [
  'outputServices=grpc-js',
  'enumsAsLiterals=true',
  'outputJsonMethods=false',
  'outputPartialMethods=false',
  'forceLong=bigint',
  'importSuffix=.ts',
  'esModuleInterop=true',
];

function generate(facts: Interface): string {
  const require = createRequire(import.meta.url);
  const folder = mkdtempSync(join(tmpdir(), 'berth-generate-'));
  try {
    writeFileSync(`${folder}/api.proto`, toProto(facts));
    const plugin = {
      local: [process.execPath, require.resolve('ts-proto/protoc-gen-ts_proto')],
      out: folder,
      opt: OPTIONS,
    };
    const template = JSON.stringify({ version: 'v2', plugins: [plugin] });
    const buf = require.resolve('@bufbuild/buf/bin/buf');
    execFileSync(process.execPath, [buf, 'generate', folder, '--template', template], {
      stdio: ['ignore', 'inherit', 'inherit'],
    });
    return readFileSync(`${folder}/api.ts`, 'utf8');
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const facts = JSON.parse(readFileSync(new URL('cri-v1.json', FOLDER), 'utf8')) as Interface;
const made = generate(facts);
const target = new URL('api.ts', FOLDER);
if (!process.argv.includes('--check')) writeFileSync(target, made);
else if (readFileSync(target, 'utf8') !== made) {
  console.error("src/gen/cri/api.ts is not what src/gen/cri/cri-v1.json says: run 'npm run generate'");
  process.exit(1);
}
