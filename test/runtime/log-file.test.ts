import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleepFor } from 'node:timers/promises';
import { readLog } from '../../src/runtime/container-log.ts';
import { makeLog } from '../../src/runtime/log-file.ts';
import type { Driver, StartedRun } from '../support/driver.ts';
import { driverTest, printedIn } from '../support/driver.ts';
import { containerSpec } from '../support/rows.ts';

function folderTest(name: string, work: (folder: string) => Promise<void>): void {
  test(name, async () => {
    const folder = mkdtempSync(join(tmpdir(), 'blf-'));
    try {
      await work(folder);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
}

folderTest(
  'a log is made with its folders, for a group to read, and is left alone when it is there',
  async (folder) => {
    const path = `${folder}/pods/default_web_1/web/0.log`;
    await makeLog(path);
    assert.equal(statSync(path).mode & 0o777, 0o640);
    writeFileSync(path, 'said before');
    await makeLog(path);
    assert.equal(readFileSync(path, 'utf8'), 'said before');
  },
);

folderTest(
  'a log that is a link, a folder or a FIFO is neither followed, written to nor waited for',
  async (folder) => {
    writeFileSync(`${folder}/precious`, 'precious');
    symlinkSync(`${folder}/precious`, `${folder}/link.log`);
    symlinkSync(`${folder}/nothing`, `${folder}/dangling.log`);
    mkdirSync(`${folder}/folder.log`);
    execFileSync('mkfifo', [`${folder}/fifo.log`]);
    for (const name of ['link.log', 'dangling.log', 'folder.log', 'fifo.log', 'precious/0.log']) {
      await assert.rejects(makeLog(`${folder}/${name}`), { code: 'InvalidArgument', field: 'logPath' }, name);
    }
    for (const name of ['link.log', 'folder.log', 'fifo.log']) {
      const reading = readLog(`${folder}/${name}`, {}).next();
      await assert.rejects(reading, { code: 'InvalidArgument' }, name);
    }
    assert.equal(readFileSync(`${folder}/precious`, 'utf8'), 'precious');
    assert.equal(existsSync(`${folder}/nothing`), false);
  },
);

/** Prints numbers, one after the other, until it is killed. */
async function startCounting(driver: Driver, logPath: string): Promise<StartedRun> {
  const script = 'i=0; while :; do i=$((i+1)); echo $i; sleep 0.01; done';
  const process = { ...containerSpec({}).process, args: ['/bin/sh', '-c', script] };
  const started = await driver.start({ process, logPath });
  while (printedIn(logPath) === '') await sleepFor(5);
  return started;
}

driverTest('a log that was moved away goes on in a new file, without a line lost', async (driver) => {
  const path = `${driver.root}/var/log/pods/web/0.log`;
  const { run } = await startCounting(driver, path);
  assert.equal(statSync(path).mode & 0o777, 0o640);

  for (let round = 1; round <= 5; round += 1) {
    renameSync(path, `${path}.${round}`);
    await driver.runtime.reopenLog(run, path);
    assert.equal(existsSync(path), true);
    assert.equal(statSync(path).mode & 0o777, 0o640);
    const { size } = statSync(`${path}.${round}`);
    await sleepFor(100);
    assert.equal(statSync(`${path}.${round}`).size, size, 'the old one does not grow');
  }
  await driver.clean(run);

  const files = [1, 2, 3, 4, 5].map((round) => `${path}.${round}`);
  const numbers = [...files, path].flatMap((file) => printedIn(file).trim().split('\n').filter(Boolean).map(Number));
  assert.deepEqual(
    numbers,
    Array.from({ length: numbers.length }, (_, index) => index + 1),
  );
});

driverTest('a log that is still written to is open already; to reopen it loses nothing', async (driver) => {
  const path = driver.logOf({ containerId: 'c', number: 1 });
  const { run } = await startCounting(driver, path);
  const before = printedIn(path);
  await driver.runtime.reopenLog(run, path);
  assert.ok(printedIn(path).startsWith(before));
  await driver.clean(run);
});

driverTest('a log is not reopened over what is in its place, nor where its folder is gone', async (driver) => {
  const path = `${driver.root}/logs/web/0.log`;
  const { run, monitor } = await startCounting(driver, path);
  writeFileSync(`${driver.root}/precious`, 'precious');

  renameSync(path, `${path}.1`);
  for (const target of [`${driver.root}/precious`, `${driver.root}/nothing`]) {
    symlinkSync(target, path);
    await assert.rejects(driver.runtime.reopenLog(run, path), { code: 'WrongState' });
    rmSync(path);
  }
  writeFileSync(path, 'of somebody else');
  await assert.rejects(driver.runtime.reopenLog(run, path), { code: 'WrongState', message: /move the old one away/ });
  rmSync(path);
  renameSync(dirname(path), `${driver.root}/moved`);
  await assert.rejects(driver.runtime.reopenLog(run, path), { code: 'NotFound', message: /its folder is gone/ });

  assert.equal(driver.runtime.isAlive(monitor), true);
  assert.equal(readFileSync(`${driver.root}/precious`, 'utf8'), 'precious');
  assert.equal(existsSync(`${driver.root}/nothing`), false);
  await driver.clean(run);
});

driverTest('a link that waits for the log’s temporary name leads nowhere', async (driver) => {
  const path = `${driver.root}/logs/web/0.log`;
  const { run } = await startCounting(driver, path);
  writeFileSync(`${driver.root}/precious`, 'precious');
  renameSync(path, `${path}.1`);
  symlinkSync(`${driver.root}/precious`, `${path}.tmp`);

  await driver.runtime.reopenLog(run, path);

  assert.equal(readFileSync(`${driver.root}/precious`, 'utf8'), 'precious');
  while (printedIn(path) === '') await sleepFor(5);
  await driver.clean(run);
});

driverTest('the log of a run that has ended is not reopened', async (driver) => {
  const path = driver.logOf({ containerId: 'c', number: 1 });
  const process = { ...containerSpec({}).process, args: ['true'] };
  const { run, watch } = await driver.start({ process, logPath: path });
  await watch.monitorEnded;
  renameSync(path, `${path}.1`);
  await assert.rejects(driver.runtime.reopenLog(run, path), { code: 'WrongState', message: /it has ended/ });
  await driver.clean(run);
});

driverTest('a container is not made when its log would be written through a link', async (driver) => {
  const path = `${driver.root}/logs/0.log`;
  writeFileSync(`${driver.root}/precious`, 'precious');
  mkdirSync(dirname(path));
  symlinkSync(`${driver.root}/precious`, path);
  const run = await driver.prepare({ logPath: path });
  await assert.rejects(driver.runtime.create(run, new AbortController().signal), { code: 'InvalidArgument' });
  assert.equal(readFileSync(`${driver.root}/precious`, 'utf8'), 'precious');
  await driver.clean(run);
});
