import { decode } from '../../../base/decode.ts';
import { BerthError } from '../../../base/errors.ts';
import { parseSignal } from '../../../base/signals.ts';
import type { ExecSession } from '../../../engine/index.ts';
import { readLines, sendLines } from '../lines.ts';
import type { Call } from '../routes.ts';
import { bodies } from '../schemas.ts';
import type { ExecOutput } from '../types.ts';

/** The request's lines steer the command while the answer's lines tell of it. A client that goes away ends it. */
export async function execInContainer(call: Call): Promise<undefined> {
  const { engine, request, response, gone, params, requester } = call;
  const input = readLines(request);
  const first = await input.next();
  if (first.done === true) throw new BerthError('InvalidArgument', 'Cannot run a command: the request is empty');
  const body = decode(bodies.exec, first.value, 'command');
  const session = await engine.containers.exec(params['id'] ?? '', { ...body, requester, signal: gone });
  void steer(session, input, gone);
  await sendLines(response, tell(session), gone);
  return undefined;
}

async function* tell(session: ExecSession): AsyncGenerator<ExecOutput> {
  yield { kind: 'started', id: session.id };
  for await (const { stream, data } of session.output) {
    yield { kind: 'output', stream, data: Buffer.from(data).toString('base64') };
  }
  yield { kind: 'exit', ...(await session.ended) };
}

async function steer(session: ExecSession, input: AsyncIterable<unknown>, gone: AbortSignal): Promise<void> {
  try {
    for await (const line of input) {
      const order = decode(bodies.execInput, line, 'command input');
      if (order.kind === 'input') await session.write(Buffer.from(order.data, 'base64'));
      else if (order.kind === 'signal') session.kill(parseSignal(order.signal));
      else session.closeInput();
    }
    session.closeInput();
  } catch {
    // a client that is gone ends the command by its signal; one that sends nonsense loses its input
    if (!gone.aborted) session.closeInput();
  }
}
