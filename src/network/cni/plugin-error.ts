import type { ErrorCode } from '../../base/errors.ts';
import { BerthError, asError, errorCodeOf, messageOf } from '../../base/errors.ts';
import { isObject, parseJson } from './config.ts';

/** @see CNI SPEC.md, "Error"; 50 and 51 are those of STATUS */
const CONTAINER_UNKNOWN = 3;
const TRY_AGAIN_LATER = 11;
const NOT_AVAILABLE = new Set([50, 51]);

/** A plugin said no. The message has all of its words. */
export class PluginError extends Error {
  readonly plugin: string;
  /** As the specification numbers them, from 100 on the plugin's own; undefined when it gave none. */
  readonly code: number | undefined;

  constructor(plugin: string, code: number | undefined, words: string) {
    super(words);
    this.name = 'PluginError';
    this.plugin = plugin;
    this.code = code;
  }
}

/** From what a plugin that failed has printed: an error object, or whatever it may be. */
export function readPluginError(plugin: string, exitCode: number, stdout: string, stderr: string): PluginError {
  const said = errorObject(stdout);
  if (said === undefined) {
    const words = excerpt(stderr) || excerpt(stdout) || 'it says nothing';
    return new PluginError(plugin, undefined, `${words} (exit code ${exitCode})`);
  }
  const details = said.details === undefined ? '' : `; ${said.details}`;
  return new PluginError(plugin, said.code, `${said.msg}${details} (code ${said.code})`);
}

interface ErrorObject {
  readonly code: number;
  readonly msg: string;
  readonly details: string | undefined;
}

function errorObject(text: string): ErrorObject | undefined {
  let value: unknown;
  try {
    value = parseJson(text);
  } catch {
    return undefined; // not every plugin keeps to the specification
  }
  if (!isObject(value)) return undefined;
  const { code, msg, details } = value;
  if (typeof code !== 'number' || typeof msg !== 'string' || msg === '') return undefined;
  return { code, msg, details: typeof details === 'string' && details !== '' ? details : undefined };
}

/**
 * Whether a failed DEL means that what should go is not there. "Not found" is also what is said of programs that a
 * plugin cannot start; that is a failure.
 * @see containerd/go-cni cni.go, Remove
 */
export function meansGone(error: unknown): boolean {
  if (!(error instanceof PluginError)) return false;
  if (error.code === CONTAINER_UNKNOWN) return true;
  if (/executable file not found|command not found|failed to find plugin/i.test(error.message)) return false;
  return GONE.some((words) => words.test(error.message));
}

const GONE = [
  /\bnot found\b/i,
  /\bno such (device|network interface)\b/i,
  /\b(netns|network namespace)\b.*(no such file or directory|does not exist|unknown FS magic)/i,
  /(failed to (open|statfs)|unknown FS magic).*\bnetns\b/i,
];

/** What a caller of the port hears. @param action `attach sandbox "123"` */
export function networkError(action: string, error: unknown): BerthError {
  if (!(error instanceof PluginError)) {
    const cause = asError(error);
    return new BerthError(errorCodeOf(error), `Cannot ${action}: ${withoutPrefix(messageOf(error))}`, { cause });
  }
  const message = `Cannot ${action}: network plugin "${error.plugin}" says: ${error.message}`;
  return new BerthError(codeOf(error), message, { cause: error });
}

function codeOf({ code }: PluginError): ErrorCode {
  const isTemporary = code === TRY_AGAIN_LATER || (code !== undefined && NOT_AVAILABLE.has(code));
  return isTemporary ? 'Unavailable' : 'Internal';
}

/** Two actions in one sentence are one too many. */
function withoutPrefix(message: string): string {
  return message.replace(/^Cannot /, 'cannot ');
}

const LONGEST_EXCERPT = 2_000;

function excerpt(text: string): string {
  return text.trim().slice(0, LONGEST_EXCERPT);
}
