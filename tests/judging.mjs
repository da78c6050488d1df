// What the judges share: programs that are started and stopped, free ports, and an inventory by `muster sync`.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';

const MOST_MS = 240_000;
const running = [];

/** Starts a program and waits for the line of its output that says that it answers; a log gets whatever it tells. */
export function start(program, args, ready, log = '/dev/null') {
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  const stopped = new Promise(resolve => child.on('exit', resolve));
  running.push({ child, stopped });
  return new Promise((resolve, reject) => {
    let told = '';
    const late = setTimeout(() => reject(new Error(`${program} does not answer:\n${told}`)), MOST_MS);
    const hear = chunk => {
      fs.appendFileSync(log, chunk);
      told += chunk;
      const line = told.split('\n').slice(0, -1).find(line => line.includes(ready));
      if (line) { clearTimeout(late); resolve(line); }
    };
    child.stdout.on('data', hear);
    child.stderr.on('data', hear);
    child.on('error', reject);
    stopped.then(code => reject(new Error(`${program} ended with ${code}:\n${told}`)));
  });
}

export async function stop() {
  for (const { child } of running) child.kill('SIGTERM');
  await Promise.all(running.map(({ stopped }) => stopped));
  running.length = 0;
}

/** Runs a program to its end. */
export function run(program, args, env = process.env) {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'], env });
    let stdout = '', stderr = '';
    child.stdout.on('data', chunk => { stdout += chunk; });
    child.stderr.on('data', chunk => { stderr += chunk; });
    child.on('error', reject);
    child.on('close', code => resolve({ code, stdout, stderr }));
  });
}

/** The first of so many free ports in a row. */
export async function ports(count) {
  const bind = port => new Promise(resolve => {
    const server = net.createServer();
    server.on('error', () => resolve(null));
    server.listen(port, '127.0.0.1', () => resolve(server));
  });
  for (let attempt = 0; attempt < 50; attempt += 1) {
    const first = await bind(0);
    const { port } = first.address();
    const more = Array.from({ length: count - 1 }, (_, n) => port + n + 1);
    const rest = port + count < 65_536 ? await Promise.all(more.map(bind)) : [null];
    for (const server of [first, ...rest]) await new Promise(resolve => server ? server.close(resolve) : resolve());
    if (rest.every(Boolean)) return port;
  }
  throw new Error(`no ${count} free ports in a row`);
}

/** `muster sync` with these settings; its ledger, and every API of the inventory. */
export async function sync(muster, folder, settings) {
  fs.mkdirSync(folder, { recursive: true });
  const [file, out] = [path.join(folder, 'connector.toml'), path.join(folder, 'out.jsonl')];
  fs.writeFileSync(file, settings);
  const outcome = await run(muster, ['sync', file, '--out', out, '--state', path.join(folder, 'state'), '--all', '--json']);
  assert.equal(outcome.code, 0, outcome.stderr);
  const ledger = JSON.parse(outcome.stderr.trim().split('\n').pop());
  const lines = fs.readFileSync(out, 'utf8').split('\n').filter(Boolean).map(line => JSON.parse(line).asset).filter(Boolean);
  const apis = new Map(lines.map(asset => [asset.assetHeader.externalAssetId, asset.assetDetail.apiAssetClass]));
  return { ledger, apis };
}
