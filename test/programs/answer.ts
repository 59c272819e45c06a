/** Answers every question on a port, by TCP and UDP, with the address that it came from. Says "ready" when it does. */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer } from 'node:net';

const port = Number(process.argv[2]);
const plain = (address: string | undefined): string => (address ?? 'unknown').replace('::ffff:', '');

const server = createServer((socket) => {
  socket.on('error', () => undefined);
  socket.end(`${plain(socket.remoteAddress)}\n`);
}).listen(port);
const datagrams = createSocket('udp6', (_, { address, port: from }) =>
  datagrams.send(`${plain(address)}\n`, from, address),
).bind(port);
await Promise.all([once(server, 'listening'), once(datagrams, 'listening')]);
process.stdout.write('ready\n');
