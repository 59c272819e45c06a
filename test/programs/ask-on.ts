/** Asks an address by UDP from one port, every 20 ms, and says "answer" for every answer. */
import { createSocket } from 'node:dgram';

const [, , address, port] = process.argv;
const socket = createSocket('udp4').bind(44_444);
socket.on('message', () => process.stdout.write('answer\n'));
setInterval(() => socket.send('question\n', Number(port), address), 20);
