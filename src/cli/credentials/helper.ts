import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { BerthError, messageOf } from '../../base/errors.ts';
import type { RegistryAuth } from '../../client/index.ts';

/** What helpers say when they know nothing; that is no failure. */
const NOT_FOUND = /credentials not found/i;
/** The name that a helper gives to an identity token. */
const TOKEN_USER = '<token>';

/**
 * Asks the program `docker-credential-NAME` for the credentials of a registry. It may ask the person in front of it.
 * @returns undefined when it has none
 * @throws BerthError Unavailable when it cannot be run or fails
 * @see github.com/docker/docker-credential-helpers, Development
 */
export async function askHelper(name: string, key: string): Promise<RegistryAuth | undefined> {
  const program = `docker-credential-${name}`;
  if (!/^[\w.-]+$/.test(name)) {
    throw new BerthError('InvalidArgument', `Cannot ask credential helper "${name}": that is no name of one`);
  }
  const child = spawn(program, ['get'], { stdio: ['pipe', 'pipe', 'inherit'] });
  child.stdin.on('error', () => undefined); // it may answer without having read the question
  child.stdin.end(key);
  const answer = text(child.stdout);
  answer.catch(() => undefined); // it is awaited below, unless there is no program
  try {
    const [code] = (await once(child, 'close')) as [number | null];
    const said = await answer;
    if (code === 0) return authIn(said, program);
    if (NOT_FOUND.test(said)) return undefined;
    throw new BerthError(
      'Unavailable',
      `Cannot get credentials from ${program}: it failed with code ${code ?? 'none'}`,
    );
  } catch (error) {
    if (error instanceof BerthError) throw error;
    throw new BerthError('Unavailable', `Cannot get credentials from ${program}: ${messageOf(error)}`, {
      cause: error,
    });
  }
}

function authIn(answer: string, program: string): RegistryAuth | undefined {
  let found: { readonly Username?: unknown; readonly Secret?: unknown };
  try {
    found = Object(JSON.parse(answer)) as typeof found;
  } catch {
    throw new BerthError('Unavailable', `Cannot get credentials from ${program}: it answers something else`);
  }
  const { Username: username, Secret: secret } = found;
  if (typeof username !== 'string' || typeof secret !== 'string' || username === '') return undefined;
  if (username === TOKEN_USER) return { kind: 'identity-token', token: secret };
  return { kind: 'basic', username, password: secret };
}
