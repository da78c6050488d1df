// Muster against Anypoint as MuleSoft's own specifications and others' clients see it; the labs lie beside the repository.
//
//   judge.mjs check LABS WORK MUSTER     1. `muster sync` of a mock that answers with the specifications' examples
//                                        2. `muster lab anypoint`, each answer held against the specifications, read by
//                                           `muster sync`, by the Python SDK and by MuleSoft's own command line
//
// WORK/python has the SDK; packages of Node are this folder's.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { ports, run, start, stop, sync } from '../judging.mjs';

const [labs, work, muster] = process.argv.slice(3).map(name => path.resolve(name));
const here = path.dirname(fileURLToPath(import.meta.url));
const prism = path.join(here, 'node_modules/.bin/prism');
const EVERYTHING = 'businessGroups = "below"\nallEnvironments = true\ncallsPerSecond = 1000\n';

/** The inventory of a platform at this address. */
function read(name, { base, storage, organizationId, environmentId, clientId, clientSecret }) {
  const settings = `type = "mulesoft"\nname = "${name}"\n[authentication]\norganizationId = "${organizationId}"\n`
    + `environmentId = "${environmentId}"\nclientId = "${clientId}"\nclientSecret = "${clientSecret}"\n`
    + `[endpoints]\nbase = "${base}"\nstorage = "${storage}"\n[profile]\n${EVERYTHING}`;
  return sync(muster, path.join(work, name), settings);
}

async function asked(url) {
  const answer = await fetch(url, { headers: { authorization: 'Bearer x' } });
  assert.equal(answer.status, 200, `${url}: ${await answer.clone().text()}`);
  return answer.json();
}

/** A group with all below it. */
const flat = group => [group, ...group.subOrganizations.flatMap(flat)];

/** MuleSoft's examples; the lab's ports are its own, so it runs as a copy with other ones. */
async function mock() {
  const port = await ports(2), storage = `http://127.0.0.1:${port + 1}`, base = `http://127.0.0.1:${port}`;
  const copy = path.join(work, 'labs'), run_dir = path.join(work, 'running');
  fs.mkdirSync(path.join(copy, 'prism'), { recursive: true });
  const described = fs.readFileSync(path.join(labs, 'prism/anypoint-combined.json'), 'utf8');
  fs.writeFileSync(path.join(copy, 'prism/anypoint-combined.json'), described.replaceAll('127.0.0.1:4619', `127.0.0.1:${port + 1}`));
  const script = fs.readFileSync(path.join(labs, 'prism-up'), 'utf8');
  fs.writeFileSync(path.join(copy, 'prism-up'), script.replace('STATIC_PORT=4619', `STATIC_PORT=${port + 1}`), { mode: 0o755 });
  fs.symlinkSync(path.join(labs, 'packages'), path.join(copy, 'packages'));
  const environment = { ...process.env, PORT: `${port}`, PRISM_HOME: here, RUN_DIR: run_dir };
  const up = await run(path.join(copy, 'prism-up'), [], environment);
  try {
    assert.equal(up.code, 0, up.stderr);
    const { user } = await asked(`${base}/accounts/api/me`);
    const tree = await asked(`${base}/accounts/api/organizations/${user.organization.id}/hierarchy`);
    const wanted = new Map();
    for (const group of flat(tree)) {
      for (const place of (await asked(`${base}/accounts/api/organizations/${group.id}/environments?limit=500`)).data) {
        const list = `${base}/apimanager/api/v1/organizations/${group.id}/environments/${place.id}/apis`;
        for (const { id } of (await asked(`${list}?limit=100`)).assets.flatMap(asset => asset.apis)) {
          // The examples' instance is of another asset than their list says.
          wanted.set(`${group.id}/${place.id}/${id}`, [group.name, place.name, (await asked(`${list}/${id}`)).assetId]);
        }
      }
    }
    const clientId = 'any', clientSecret = 'any';
    const { ledger, apis } = await read('mock', { base, storage, organizationId: tree.id, environmentId: tree.id, clientId, clientSecret });
    assert.equal(ledger.result, 'complete', JSON.stringify(ledger));
    const found = new Map([...apis].map(([id, api]) => [id, [api.organizationName, api.environmentName, api.assetId]]));
    assert.deepEqual(sorted(found), sorted(wanted));
    assert.ok(wanted.size > 0);
    const published = fs.readdirSync(path.join(labs, 'packages')).map(name => sha256(path.join(labs, 'packages', name)));
    for (const [id, api] of apis) {
      assert.equal(api.definitionState, 'stored', id);
      assert.ok(published.includes(sha256(path.join(work, 'mock', api.masifLocation))), `${id}: what is stored is no published package`);
      assert.ok(api.endpointCount > 0, id);
    }
    console.log(`mock: ${ledger.result}, ${apis.size} APIs with their definitions, all that it lists`);
  } finally {
    await run(path.join(copy, 'prism-up'), ['--stop'], environment);
  }
}

const sha256 = file => createHash('sha256').update(fs.readFileSync(file)).digest('hex');
const sorted = map => [...map].sort(([one], [other]) => (one < other ? -1 : 1));

/** MuleSoft's specification, where it does not contradict its own examples. */
function specification() {
  const described = JSON.parse(fs.readFileSync(path.join(labs, 'prism/anypoint-combined.json'), 'utf8'));
  const group = '/accounts/api/organizations/{organizationId}';
  // All that somebody may be entitled to, eighty fields, is asked of a client that only looks for the name.
  described.paths[group].get.responses[200].content['application/json'].schema = { type: 'object', required: ['id', 'name'] };
  // A group's list of those below has their ids in each example, and shall have objects.
  const below = described.paths[`${group}/hierarchy`].get.responses[200].content['application/json'].schema;
  below.properties.subOrganizations.items.properties.subOrganizationIds.items = { type: 'string' };
  below.properties.parentOrganizationIds.items = { type: 'string' };
  const file = path.join(work, 'specification.json');
  fs.writeFileSync(file, JSON.stringify(described));
  return file;
}

/** What each client has to see: business groups, environments, instances with what API Manager says of them. */
function inventory(apis) {
  const groups = new Map(), places = new Map(), instances = new Map();
  for (const [id, api] of apis) {
    groups.set(api.organizationId, api.organizationName);
    places.set(`${api.organizationId}/${api.environmentId}`, api.environmentName);
    instances.set(id, facts({ ...api, status: api.runtimeStatus, productVersion: api.apiVersion, assetVersion: api.version }));
  }
  return { groups: sorted(groups), places: sorted(places), instances: sorted(instances) };
}

/** Instances without an asset have neither its group nor its version; clients write that in their own ways. */
const facts = one => ['groupId', 'assetId', 'assetVersion', 'productVersion', 'status', 'technology']
  .map(name => ([undefined, null, 'None'].includes(one[name]) ? '' : one[name]));

async function bySdk(banner, base) {
  const python = path.join(work, 'python/bin/python');
  const outcome = await run(python, [path.join(here, 'sdk.py'), base, banner.clientId, banner.clientSecret]);
  assert.equal(outcome.code, 0, outcome.stderr);
  return gathered(JSON.parse(outcome.stdout));
}

/** MuleSoft's command line says what it is asked for; a call takes seconds, so two run at once. */
async function byCommandLine(banner, base) {
  const port = await ports(2);
  const lanes = [0, 1].map(lane => {
    const folder = path.join(work, `cli-${lane}`);
    fs.rmSync(folder, { recursive: true, force: true });
    fs.mkdirSync(folder, { recursive: true });
    fs.symlinkSync(path.join(here, 'node_modules'), path.join(folder, 'node_modules'));
    return {
      ...process.env, WORK: folder, TLS_PORT: `${port + lane}`,
      ANYPOINT_CLIENT_ID: banner.clientId, ANYPOINT_CLIENT_SECRET: banner.clientSecret,
    };
  });
  const ask = async (lane, words) => {
    const outcome = await run(path.join(labs, 'official-cli'), [base, ...words, '--output', 'json'], lane);
    assert.equal(outcome.code, 0, `${words.join(' ')}: ${outcome.stdout}${outcome.stderr}`);
    return JSON.parse(outcome.stdout);
  };
  const all = (jobs, ask_one) => {
    const left = [...jobs];
    return Promise.all(lanes.map(async lane => { for (let job; (job = left.shift());) await ask_one(lane, job); }));
  };
  const groups = await ask(lanes[0], ['account:business-group:list']);
  const places = [];
  await all(groups, async (lane, group) => {
    const own = await ask(lane, ['account:environment:list', '--organization', group.name]);
    places.push(...own.map(place => ({ ...place, group })));
  });
  await all(places, async (lane, place) => {
    const words = ['api-mgr:api:list', '--organization', place.group.name, '--environment', place.name, '--limit', '100'];
    place.apis = await ask(lane, words);
  });
  return gathered({ groups, places: places.map(place => ({ ...place, organizationId: place.group.id })) });
}

function gathered({ groups, places }) {
  const instances = places.flatMap(place => place.apis.map(api => [`${place.organizationId}/${place.id}/${api.id}`, facts(api)]));
  const entry = place => [`${place.organizationId}/${place.id}`, place.name];
  return {
    groups: sorted(new Map(groups.map(group => [group.id, group.name]))), places: sorted(new Map(places.map(entry))),
    instances: sorted(new Map(instances)),
  };
}

/** The simulator, behind the specifications and before every client. */
async function judge() {
  const sizes = ['--seed', '6', '--groups', '2', '--environments', '2', '--apis', '8', '--page', '100'];
  const banner = JSON.parse(await start(muster, ['lab', 'anypoint', ...sizes], '{'));
  const port = await ports(1), base = `http://127.0.0.1:${port}`;
  const log = path.join(work, 'judge.log');
  await start(prism, ['proxy', '-h', '127.0.0.1', '-p', `${port}`, specification(), banner.url], 'is listening', log);
  const { ledger, apis } = await read('judge', { ...banner, base });
  assert.equal(ledger.result, 'complete');
  const own = inventory(apis);
  assert.equal(own.instances.length, 48);
  assert.deepEqual(await bySdk(banner, base), own, 'the SDK sees another inventory');
  assert.deepEqual(await byCommandLine(banner, base), own, 'the command line sees another inventory');
  const violations = fs.readFileSync(log, 'utf8').split('\n').filter(line => line.includes('Violation:'));
  assert.deepEqual(violations, [], 'the simulator or a client is against the specification');
  // It judges: an instance more is another inventory, until that is read, too.
  const change = { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ seed: 1, add: 1, remove: 1 }) };
  assert.ok((await fetch(`${banner.url}/_lab/change`, change)).ok);
  const then = await bySdk(banner, base);
  assert.notDeepEqual(then, own);
  assert.deepEqual(inventory((await read('judge', { ...banner, base })).apis), then);
  console.log(`judges: ${own.groups.length} business groups, ${own.places.length} environments, ${own.instances.length} APIs, seen by all`);
}

try {
  for (const left of ['mock', 'judge', 'judge.log', 'labs']) fs.rmSync(path.join(work, left), { recursive: true, force: true });
  fs.mkdirSync(work, { recursive: true });
  await mock();
  await judge();
} finally {
  await stop();
}
