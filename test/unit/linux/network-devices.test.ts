import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseNetworkDevices } from '../../../src/linux/network-devices.ts';

const TEXT = `Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
    lo:  100       1    0    0    0     0          0         0      100       1    0    0    0     0       0          0
  eth0: 123456789012 22    3    4    0     0          0         0   555 66    7    8    0     0       0          0
veth:a: 1 2 3 4 0 0 0 0 5 6 7 8 0 0 0 0
`;

test('what passed the interfaces of a network is read, without its loopback', () => {
  assert.deepEqual(parseNetworkDevices(TEXT), [
    {
      name: 'eth0',
      received: { bytes: 123_456_789_012, packets: 22, errors: 3, dropped: 4 },
      sent: { bytes: 555, packets: 66, errors: 7, dropped: 8 },
    },
    {
      name: 'veth:a',
      received: { bytes: 1, packets: 2, errors: 3, dropped: 4 },
      sent: { bytes: 5, packets: 6, errors: 7, dropped: 8 },
    },
  ]);
});

test('a network with nothing but a loopback has no interface', () => {
  assert.deepEqual(parseNetworkDevices(TEXT.split('\n').slice(0, 3).join('\n')), []);
});
