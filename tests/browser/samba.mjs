// Drives the console against a real domain controller, the directory lab: a connector and its profile by their forms,
// the live test, runs by hand and by schedule, and what changes in the directory as it arrives on the pages.
//
//   node samba.mjs        MUSTER_BINARY, CHROMIUM: the programs; MUSTER_TEST_SAMBA: the folder of the running lab
import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { setTimeout } from "node:timers/promises";
import {
  START_MS, banner, data, ended, follow, found, look, open, page, path, said, search, settled, sign_in, start, stop, text, texts,
} from "./stage.mjs";

/** A minute for the schedule, and what a run takes on a busy machine. */
const ARRIVES_MS = 180_000;
const LAB = said("MUSTER_TEST_SAMBA");
const CHANGE = new URL("../labs/directory/change", import.meta.url).pathname;

const facts = Object.fromEntries(
  readFileSync(join(LAB, "lab"), "utf8").split("\n").filter((line) => line.includes("="))
    .map((line) => [line.slice(0, line.indexOf("=")), line.slice(line.indexOf("=") + 1)]),
);
/** The connector's section of settings, as the form and as `muster sync` have it. */
const AUTHENTICATION = {
  host: facts.host, port: facts.ldap_port, protocol: "ldap", bindDn: facts.bind_dn, password: facts.password,
};
/** Where the profile is. */
let profile;

before(() => start("serve", "--json"), { timeout: START_MS + 30_000 });
after(stop);

/** Asks again and again until it holds; a page is opened anew each time. */
async function arrives(what, holds) {
  for (const end = Date.now() + ARRIVES_MS; !(await holds());) {
    assert(Date.now() < end, `waited for ${what}`);
    await setTimeout(500);
  }
}

/** Makes the next batch of changes that the lab has not seen: its number, and its lines by operation. */
function change() {
  let seed = 1;
  while (existsSync(join(LAB, `change-${seed}.tsv`))) seed += 1;
  execFileSync(CHANGE, [String(seed)], { env: { ...process.env, MUSTER_LAB_DIR: LAB } });
  const lines = readFileSync(join(LAB, `change-${seed}.tsv`), "utf8").trim().split("\n").map((line) => line.split("\t"));
  return { seed, lines, of: (operation) => lines.filter(([one]) => one === operation) };
}

/** What the list of users finds for a query. */
async function users(query) {
  await open(`/console/users?q=${encodeURIComponent(query)}`);
  await settled();
  return found();
}

/** Waits until every change of a batch that a page can show is shown. */
async function shown({ seed, of }) {
  const titled = of("modify").length;
  assert(titled > 0);
  await arrives(`the titles of change ${seed}`, async () => await users(`jobTitle:"Changed by ${seed}"`) === titled);
  const renamed = of("rename");
  for (const [, , , dn] of renamed) {
    const name = dn.slice(3).split(/(?<!\\),/)[0];
    assert.equal(await users(`name:"${name}"`), 1, `${name}, renamed`);
  }
  assert.equal(await users(`name:"Renamed ${seed}"`), renamed.length);
}

const muster = (...words) => {
  const done = spawnSync(said("MUSTER_BINARY"), words, { encoding: "utf8" });
  assert.equal(done.status, 0, `muster ${words.join(" ")}: ${done.stderr}`);
  return done.stdout.trim();
};
const digest = (state) => muster("doctor", "--state", state, "--digest");

/** `muster sync` on the same directory: its state. It has to see each change that the hub sees: of a user made by one and
 * deleted by the next only who saw both knows that there was one. */
function twin() {
  const folder = join(data, "twin");
  mkdirSync(folder, { recursive: true });
  const lines = Object.entries(AUTHENTICATION).map(([key, value]) => `${key} = ${key === "port" ? value : JSON.stringify(value)}`);
  const file = join(folder, "connector.toml");
  writeFileSync(file, ['type = "active_directory"', 'name = "Samba"', "[authentication]", ...lines, ""].join("\n"));
  muster("sync", file, "--state", join(folder, "state"), "--out", join(folder, "out.jsonl"));
  return join(folder, "state");
}

/** The hub's truth is that of its twin. */
async function same() {
  // The account that reads leaves its own traces, so the twin is asked again until both saw the same.
  await arrives("the same digest", () => digest(twin()) === digest(join(data, "hub")));
}

test("a connector is made by its form, and tested live", async () => {
  await open("/");
  await sign_in(banner.password);
  await follow("a.button[href='/console/connectors/new']");
  await follow("main .card a.button");
  await page.type("#name", "Samba");
  for (const [key, value] of Object.entries(AUTHENTICATION)) {
    const field = `main [name$='authentication.${key}']`;
    if (key === "protocol") await page.select(field, value);
    else await page.type(field, value);
  }
  await look();
  await follow("main form button.primary");
  assert.equal(await text("h1"), "Samba");
  assert(!(await page.content()).includes(facts.password), "the page does not say the password");
  await follow("form[action$='/test'] button");
  await ended();
  assert.match(await text("#live .badges"), /passed/i);
  const steps = await texts("ol.steps li");
  assert(steps.length >= 4, `the steps of the test: ${steps}`);
  await look();
});

test("a profile that runs every minute is made by its form, and run in full", async () => {
  await open("/console/connectors");
  await follow("main tbody th a");
  await follow("a.button[href$='/profiles/new']");
  await page.type("#name", "Everything");
  await page.select("#schedule-type", "recurring");
  await page.$eval("#schedule-every", (field) => { field.value = ""; });
  await page.type("#schedule-every", "1");
  await page.select("#schedule-unit", "minutes");
  await page.waitForFunction(() => document.querySelectorAll("#preview li").length === 5);
  await look();
  await follow("main form button.primary");
  profile = path();
  assert.match(await text("section[aria-labelledby=when]"), /minute/);
  await look();
  await follow("main form[action$='/run'] button[value=full]");
  page.setDefaultTimeout(ARRIVES_MS);
  await ended();
  assert.match(await text("#live .badges"), /complete/i);
  assert.equal((await texts("table.ledger tbody tr")).length, 3, "a line for users, groups and containers");
  await look();
  await same();
}, { timeout: 2 * ARRIVES_MS });

test("changes of the directory arrive by the schedule", async () => {
  let last;
  for (let round = 0; round < 3; round += 1) {
    last = change();
    await shown(last);
    twin();
  }
  await look();
  await search(`name:"Renamed ${last.seed}"`);
  await follow("#results tbody th a");
  assert.match(await text("section[aria-labelledby=history]"), /\bname\b/i);
  await look();
  await open(profile);
  const runs = await texts("section[aria-labelledby=runs] tbody tr");
  assert(runs.length >= 3, `the run by hand and those by schedule: ${runs}`);
  assert(runs.every((run) => !/failed/i.test(run)), `no run failed: ${runs}`);
  await look();
  await same();
}, { timeout: 4 * ARRIVES_MS });
