import { decode } from '../../../base/decode.ts';
import { BerthError } from '../../../base/errors.ts';
import { Mailbox } from '../../../base/mailbox.ts';
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
  const sent = sendLines(response, tell(session), gone);
  void steer(call, session, input);
  await sent;
  return undefined;
}

async function* tell(session: ExecSession): AsyncGenerator<ExecOutput> {
  yield { kind: 'started', id: session.id };
  for await (const { stream, data } of session.output) {
    yield { kind: 'output', stream, data: Buffer.from(data).toString('base64') };
  }
  yield { kind: 'exit', ...(await session.ended) };
}

/** Input that may wait for a command which does not read it. From there on nothing is read, not even a goodbye. */
const MOST_WAITING_BYTES = 4 << 20;

/** A signal takes effect at once; input waits in line until the command takes it. */
async function steer({ response, gone }: Call, session: ExecSession, input: AsyncIterable<unknown>): Promise<void> {
  const feeding = new Mailbox();
  let waiting = 0;
  const feed = (data: Buffer): Promise<void> =>
    feeding.run(async () => {
      await session.write(data);
      waiting -= data.length;
      if (!response.writableEnded) response.write(`${JSON.stringify({ kind: 'taken', bytes: data.length })}\n`);
    });
  try {
    for await (const line of input) {
      const order = decode(bodies.execInput, line, 'command input');
      if (order.kind === 'signal') session.kill(parseSignal(order.signal));
      else if (order.kind === 'end') void feeding.run(() => session.closeInput());
      else {
        const data = Buffer.from(order.data, 'base64');
        waiting += data.length;
        const fed = feed(data);
        if (waiting > MOST_WAITING_BYTES) await fed;
        else fed.catch(() => undefined); // a command that is gone takes no more
      }
    }
    await feeding.run(() => session.closeInput());
  } catch {
    // a client that is gone ends the command by its signal; one that sends nonsense loses its input
    if (!gone.aborted) session.closeInput();
  }
}
