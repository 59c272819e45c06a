import { readFileSync } from 'node:fs';
import { basename } from 'node:path';

/** What became of one spec. */
interface SpecResult {
  /** `image.go:74` */
  readonly place: string;
  readonly name: string;
  readonly outcome: 'passed' | 'failed' | 'skipped';
  /** Why it failed, or why it skipped itself. */
  readonly reason: string;
  readonly seconds: number;
}

export interface Results {
  readonly seed: number;
  readonly specs: readonly SpecResult[];
  /** Left out by what the suite was told. */
  readonly unselected: number;
}

interface Location {
  readonly FileName: string;
  readonly LineNumber: number;
}

/** @see ginkgo types/types.go Report, SpecReport */
interface SpecReport {
  readonly LeafNodeType: string;
  readonly ContainerHierarchyTexts: readonly string[] | null;
  readonly LeafNodeText: string;
  readonly LeafNodeLocation: Location;
  readonly State: string;
  readonly RunTime: number;
  readonly Failure?: { readonly Message: string; readonly Location: Location };
}

interface SuiteReport {
  readonly SuiteConfig: { readonly RandomSeed: number };
  readonly SpecReports: readonly SpecReport[] | null;
}

/** Reads the suite's own report. Nodes that are no specs, as those that set the suite up, count when they fail. */
export function readResults(file: string): Results {
  const suites = JSON.parse(readFileSync(file, 'utf8')) as readonly SuiteReport[];
  const nodes = suites.flatMap(({ SpecReports }) => SpecReports ?? []);
  const results = nodes.map((node) => ({ node, result: resultOf(node) }));
  return {
    seed: suites[0]?.SuiteConfig.RandomSeed ?? 0,
    specs: results.flatMap(({ node, result }) =>
      isUnselected(node) || (node.LeafNodeType !== 'It' && result.outcome !== 'failed') ? [] : [result],
    ),
    unselected: nodes.filter(isUnselected).length,
  };
}

/** A spec that skips itself says why. */
function isUnselected({ LeafNodeType, State, Failure }: SpecReport): boolean {
  return LeafNodeType === 'It' && State === 'skipped' && (Failure?.Message ?? '') === '';
}

function resultOf(node: SpecReport): SpecResult {
  const outcome = node.State === 'passed' || node.State === 'skipped' ? node.State : 'failed';
  const failed = outcome === 'failed' ? ` (${node.State} at ${placeOf(node.Failure?.Location)})` : '';
  return {
    place: placeOf(node.LeafNodeLocation),
    name: [...(node.ContainerHierarchyTexts ?? []), node.LeafNodeText].join(' '),
    outcome,
    reason: `${firstWords(node.Failure?.Message ?? '')}${failed}`,
    seconds: node.RunTime / 1e9,
  };
}

function placeOf(location: Location | undefined): string {
  return location === undefined ? '?' : `${basename(location.FileName)}:${location.LineNumber}`;
}

function firstWords(message: string): string {
  const words = message.split(/\s+/).join(' ').trim();
  return words.length > 300 ? `${words.slice(0, 300)}…` : words;
}

/** A table with a line for each file of specs, and below it what failed and what was skipped. */
export function formatResults({ seed, specs, unselected }: Results): string {
  const files = Map.groupBy(specs, ({ place }) => place.slice(0, place.indexOf(':')));
  const rows = [...files].toSorted(([a], [b]) => a.localeCompare(b)).map(([file, inside]) => row(file, inside));
  return [
    ['spec file'.padEnd(32), 'passed', 'failed', 'skipped', 'seconds'].join('  '),
    ...rows,
    row('all', specs),
    `not selected: ${unselected}; seed ${seed}`,
    ...listOf('failed', specs),
    ...listOf('skipped', specs),
  ].join('\n');
}

function row(name: string, specs: readonly SpecResult[]): string {
  const count = (outcome: string): string =>
    String(specs.filter((spec) => spec.outcome === outcome).length).padStart(outcome.length);
  const seconds = specs.reduce((total, spec) => total + spec.seconds, 0);
  return [
    name.padEnd(32),
    count('passed'),
    count('failed'),
    count('skipped'),
    seconds.toFixed(1).padStart('seconds'.length),
  ].join('  ');
}

/** Many specs skip themselves for the same reason. */
function listOf(outcome: SpecResult['outcome'], specs: readonly SpecResult[]): string[] {
  const found = specs.filter((spec) => spec.outcome === outcome);
  if (found.length === 0) return [];
  const lines = [...Map.groupBy(found, ({ reason }) => reason)].flatMap(([reason, same]) => [
    ...same.map(({ place, name }) => `  ${place} ${name}`),
    `      ${reason}`,
  ]);
  return [`\n${outcome}:`, ...lines];
}
