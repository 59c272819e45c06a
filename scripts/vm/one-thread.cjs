// Loaded before everything else by every Node.js of the guest. QEMU 7.2 loses changes to machine code that one processor
// writes while another runs it: V8 crashes in one start of ten when its helper threads compile. So they do not.
const { setFlagsFromString } = require('node:v8');
for (const flag of ['--single-threaded', '--no-wasm-tier-up', '--no-wasm-dynamic-tiering']) setFlagsFromString(flag);
