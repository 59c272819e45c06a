import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as v from 'valibot';
import { decode, nearest } from '../../../src/base/decode.ts';

const schema = v.strictObject({
  stop: v.optional(
    v.strictObject({ grace: v.optional(v.string()), tries: v.optional(v.pipe(v.number(), v.minValue(1))) }),
  ),
  mode: v.optional(v.picklist(['fast', 'slow'])),
  handlers: v.optional(v.record(v.string(), v.strictObject({ path: v.string() }))),
});

for (const [input, field, message] of [
  [{ stop: { grase: '1s' } }, 'stop.grase', /"stop\.grase" is not known: did you mean "grace"\?/],
  [{ zzzzzz: 1 }, 'zzzzzz', /"zzzzzz" is not known: must be one of stop, mode, handlers/],
  [{ stop: { grace: 3 } }, 'stop.grace', /"stop\.grace" is 3: must be string/],
  [{ stop: { tries: 0 } }, 'stop.tries', /"stop\.tries" is 0: must be >=1/],
  [{ mode: 'medium' }, 'mode', /"mode" is "medium": must be \("fast" \| "slow"\)/],
  [{ handlers: { crun: { pat: '/x', path: '/y' } } }, 'handlers.crun.pat', /did you mean "path"\?/],
  [{ handlers: { crun: {} } }, 'handlers.crun.path', /is missing|undefined/],
  [7, '', /it is 7: must be a table/],
] as const) {
  test(`${JSON.stringify(input)} is refused naming "${field}"`, () => {
    assert.throws(() => decode(schema, input, 'configuration'), { code: 'InvalidArgument', field, message });
  });
}

test('the nearest name is offered only when it is near', () => {
  assert.equal(nearest('grase', ['grace', 'kill_budget']), 'grace');
  assert.equal(nearest('xyz', ['grace', 'kill_budget']), undefined);
});
