import { neutralise } from '../print/neutral.ts';
import type { Finding } from './finding.ts';

type Marks = Readonly<Record<Finding['level'], string>>;

const UTF8_MARKS: Marks = { ok: '✓', warning: '!', error: '✗' };
const ASCII_MARKS: Marks = { ok: '+', warning: '!', error: 'x' };

/** One line for each finding, and one more for what to do about it. */
export function findingLines(findings: readonly Finding[], env: NodeJS.ProcessEnv = process.env): string[] {
  const marks = isUtf8(env) ? UTF8_MARKS : ASCII_MARKS;
  return findings.flatMap(({ level, text, advice }) => {
    const line = `${marks[level]} ${neutralise(text)}`;
    return advice === undefined || level === 'ok' ? [line] : [line, `    ${neutralise(advice)}`];
  });
}

/** @see locale(7): the first of the three that is set decides */
function isUtf8(env: NodeJS.ProcessEnv): boolean {
  const locale = [env['LC_ALL'], env['LC_CTYPE'], env['LANG']].find((value) => value !== undefined && value !== '');
  return /utf-?8/i.test(locale ?? '');
}
