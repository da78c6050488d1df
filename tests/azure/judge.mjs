// Muster against Azure as Microsoft's own specifications describe it: `prism-up` of the labs beside the repository.
//
//   judge.mjs set-up LABS WORK           installs what the labs need, so that `check` runs offline
//   judge.mjs check LABS WORK MUSTER     1. `muster sync` of a mock that answers with the specifications' examples
//                                        2. `muster sync` of `muster lab azure`, every request and answer judged
//
// The judge's specifications are the labs', cut down to the calls that a client of API Management makes: compiling all of
// them takes minutes on a busy machine.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { ports, start, stop, sync } from '../judging.mjs';

const [verb, labs, work, muster] = process.argv.slice(2);
const TENANT = '11111111-2222-4333-8444-555555555555', CLIENT = 'aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee';
/** The labs' folder with fewer calls in its specifications. */
function cutDown(folder) {
  fs.rmSync(folder, { recursive: true, force: true });
  fs.mkdirSync(path.join(folder, 'specs/mock'), { recursive: true });
  fs.copyFileSync(path.join(labs, 'prism-up'), path.join(folder, 'prism-up'));
  fs.symlinkSync(path.join(labs, 'tools'), path.join(folder, 'tools'));
  const whole = JSON.parse(fs.readFileSync(path.join(labs, 'specs/mock/all.json'), 'utf8'));
  const service = '/providers/Microsoft.ApiManagement/service';
  const asked = name => name === '/subscriptions' || name.includes(service);
  whole.paths = Object.fromEntries(Object.entries(whole.paths).filter(([name]) => asked(name)));
  const kept = new Set(), rest = [whole.paths];
  while (rest.length > 0) {
    const node = rest.pop();
    if (typeof node !== 'object' || node === null) continue;
    for (const [key, value] of Object.entries(node)) {
      const name = key === '$ref' && typeof value === 'string' ? value.split('/').pop() : null;
      if (name === null) rest.push(value);
      else if (!kept.has(name)) { kept.add(name); rest.push(whole.components.schemas[name]); }
    }
  }
  const schemas = Object.entries(whole.components.schemas).filter(([name]) => kept.has(name));
  whole.components.schemas = Object.fromEntries(schemas);
  fs.writeFileSync(path.join(folder, 'specs/mock/all.json'), JSON.stringify(whole));
}

/** The inventory of an Azure at this address, and where it was written. */
async function read(name, { login, management, storage, secret }) {
  const folder = path.join(work, name);
  fs.rmSync(folder, { recursive: true, force: true });
  const settings = `type = "azure_api_management"\nname = "${name}"\n[authentication]\ntenantId = "${TENANT}"\n`
    + `clientId = "${CLIENT}"\nclientSecret = "${secret}"\n[endpoints]\nlogin = "${login}"\n`
    + `management = "${management}"\nstorage = "${storage}"\n[profile]\nrevisions = "all"\n`;
  return { folder, ...await sync(muster, folder, settings) };
}

/** A list of the mock's, to its last page, by a client that knows nothing but `nextLink`. */
async function listed(url) {
  const all = [];
  for (let next = url; next;) {
    const answer = await fetch(next, { headers: { authorization: 'Bearer x' } });
    if (answer.status === 429) { await answer.arrayBuffer(); continue; }
    assert.equal(answer.status, 200, await answer.clone().text());
    const page = await answer.json();
    all.push(...page.value);
    next = page.nextLink;
  }
  return all;
}

/** The examples of Microsoft's specifications, in pages, now and then with a 429. */
async function mock() {
  const port = await ports(4);
  await start(path.join(labs, 'prism-up'), ['--port', `${port}`, '--azurite', '--page', '2', '--throttle-every', '20'], 'ready:');
  const base = `http://127.0.0.1:${port}`;
  const { folder, ledger, apis } = await read('mock', { login: base, management: base, storage: `http://127.0.0.1:${port + 3}`, secret: 'any' });
  const version = 'api-version=2024-05-01';
  const found = new Set();
  for (const { subscriptionId } of await listed(`${base}/subscriptions?api-version=2022-12-01`)) {
    const services = `${base}/subscriptions/${subscriptionId}/providers/Microsoft.ApiManagement/service?${version}`;
    for (const service of await listed(services)) {
      for (const api of await listed(`${base}${service.id}/apis?${version}`)) found.add(api.id.toLowerCase());
      for (const workspace of await listed(`${base}${service.id}/workspaces?${version}`)) {
        for (const api of await listed(`${base}${workspace.id}/apis?${version}`)) found.add(api.id.toLowerCase());
      }
    }
  }
  assert.deepEqual([...apis.keys()].sort(), [...found].sort());
  // Whatever is asked for, the mock exports this one; so it is nobody's own.
  const document = fs.readFileSync(path.join(labs, 'exports/versioned api v2.json'));
  const exported = [...apis.values()].filter(api => api.masifLocation);
  assert.ok(exported.length > 0);
  for (const api of exported) {
    assert.equal(api.definitionState, 'suspect');
    assert.deepEqual(fs.readFileSync(path.join(folder, api.masifLocation)), document);
  }
  console.log(`mock: ${ledger.result}, ${apis.size} APIs, all that it lists`);
  await stop();
}

/** The simulator, with the judge before it. */
async function judge() {
  const banner = JSON.parse(await start(muster, ['lab', 'azure', '--seed', '5', '--apis', '12', '--workspace', '3', '--page', '4'], '{'));
  const change = { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ revise: 5 }) };
  assert.ok((await fetch(`${banner.url}/_lab/change`, change)).ok);
  const cut = path.join(work, 'labs');
  cutDown(cut);
  const port = await ports(4), base = `http://127.0.0.1:${port}`, begun = Date.now();
  const ready = await start(path.join(cut, 'prism-up'), ['--port', `${port}`, '--conform', banner.url], 'ready:');
  const took = Math.round((Date.now() - begun) / 1000);
  // It judges: a call without api-version is against the specification, whatever the simulator thinks of it.
  const wrong = await fetch(`${base}/subscriptions`, { headers: { authorization: 'Bearer x' } });
  assert.equal(wrong.status, 422, await wrong.text());
  const { ledger, apis } = await read('judge', { login: banner.url, management: base, storage: banner.storage, secret: banner.clientSecret });
  const log = fs.readFileSync(/log: ([^;]+);/.exec(ready)[1], 'utf8').split('\n');
  const refused = log.filter(line => line.includes('terminated with error'));
  assert.equal(refused.length, 1, `the simulator or the client is against the specification:\n${refused.join('\n')}`);
  const truth = await (await fetch(`${banner.url}/_lab/truth`)).json();
  assert.deepEqual([...apis.keys()].sort(), truth.map(api => api.id).sort());
  console.log(`judge: ${ledger.result}, ${apis.size} APIs, no violation (the judge took ${took} s to begin)`);
  await stop();
}

try {
  fs.mkdirSync(work, { recursive: true });
  if (verb === 'set-up') {
    await start(path.join(labs, 'prism-up'), ['--port', `${await ports(4)}`, '--azurite'], 'ready:');
  } else {
    await mock();
    await judge();
  }
} finally {
  await stop();
}
