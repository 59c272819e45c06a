import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseSignal, signalName, signalNumber } from '../../../src/base/signals.ts';

for (const [text, name, number] of [
  ['TERM', 'SIGTERM', 15],
  ['sigterm', 'SIGTERM', 15],
  [' 15 ', 'SIGTERM', 15],
  [9, 'SIGKILL', 9],
  ['SIGCLD', 'SIGCHLD', 17],
  ['poll', 'SIGIO', 29],
  ['RTMIN', 'SIGRTMIN', 34],
  ['RTMIN+3', 'SIGRTMIN+3', 37],
  ['SIGRTMIN+3', 'SIGRTMIN+3', 37],
  ['SIGRTMINPLUS3', 'SIGRTMIN+3', 37],
  ['37', 'SIGRTMIN+3', 37],
  ['SIGRTMAXMINUS2', 'SIGRTMAX-2', 62],
  ['RTMAX', 'SIGRTMAX', 64],
  ['RTMIN+30', 'SIGRTMAX', 64],
] as const) {
  test(`"${text}" is ${name}, number ${number}`, () => {
    assert.equal(parseSignal(text), name);
    assert.equal(signalNumber(parseSignal(text)), number);
  });
}

for (const text of ['SIGNOPE', '', '0', '65', '-1', 'RTMIN+31', 'RTMAX-31', 'RTMIN-1', '15x', '32', '33']) {
  test(`"${text}" is refused, and the message says what is wanted`, () => {
    assert.throws(() => parseSignal(text, 'stopSignal'), {
      code: 'InvalidArgument',
      field: 'stopSignal',
      message: /stopSignal ".*": must be a signal name like SIGTERM/,
    });
  });
}

test('every number that has a name is read back from it', () => {
  const named = Array.from({ length: 64 }, (_, index) => index + 1).filter(
    (number) => signalName(number) !== undefined,
  );
  assert.equal(named.length, 62, 'all but the two that belong to the thread library');
  for (const number of named) assert.equal(signalNumber(parseSignal(signalName(number) ?? '')), number);
});
