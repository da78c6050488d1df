// Drives the console in Chromium, against `muster demo`: what a person would click.
//
//   node console.mjs        MUSTER_BINARY, CHROMIUM: the programs; SCREENSHOT: where to write the README's picture
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import {
  START_MS, banner, ended, follow, found, look, open, page, path, search, settled, sign_in, source, start, stop, text,
  texts,
} from "./stage.mjs";

const USERS = 300;
/** A query for what the gateway of MuleSoft brought. */
const OF_MULESOFT = "inventory.source:'MuleSoft'";
/** What the simulated gateways say of themselves, and the address of the profile that reads the one at hand. */
let azure, mulesoft, profile;

before(() => start("demo", "--users", String(USERS), "--apis", "0"), { timeout: START_MS + 30_000 });
after(stop);

test("a wrong password is told, the right one opens the console", async () => {
  await open("/");
  assert.equal(path(), "/console/sign-in");
  await look();
  await sign_in("not the password");
  assert.match(await text("[role=alert]"), /Name or password is not right/);
  await look(["401 /console/sign-in"]);
  await sign_in(banner.password);
  assert.equal(path(), "/console/sources");
  assert.equal(await text("h1"), "Sources");
  await look();
});

test("users are listed, asked for, narrowed down", async () => {
  await follow("nav a[href='/console/users']");
  await look();
  const all = await found();
  assert(all >= USERS, `${all} users of ${USERS}`);
  assert(await fits(), "the list fits its place");
  await search("(status:ACTIVE or status:DISABLED) and department:Finance");
  await picture();
  await search("status:DISABLED");
  const disabled = await found();
  assert(disabled > 0 && disabled < all, `${disabled} disabled of ${all}`);
  const shown = await texts("#results tbody td .badge");
  assert(shown.some((word) => /disabled/i.test(word)), `the rows say that they are disabled: ${shown}`);
  await look();
  await follow(".facets a");
  assert(await found() <= disabled, "a facet narrows down");
  await look();
  await open("/console/users");
  await search("status:");
  assert.match(await text("#results [role=alert]"), /cannot be read at column/);
  await look(["400 /console/users"]);
});

test("a user shows attributes with where they come from, memberships and history", async () => {
  await open("/console/users");
  await search("status:ACTIVE");
  const name = await text("#results tbody th a");
  await follow("#results tbody th a");
  assert.equal(await text("h1"), name);
  const heads = await texts("main h2");
  for (const head of ["Attributes", "Member of", "History"]) assert(heads.includes(head), `${head} in ${heads}`);
  assert((await texts("section[aria-labelledby=attributes] td code")).length > 0, "attributes name their sources");
  assert((await texts("section[aria-labelledby=member-of] li")).length > 0, "the user is in a group");
  assert.match((await texts("section[aria-labelledby=history] li")).join(" "), /first seen/);
  await look();
});

test("groups lead to their members, and roles are listed", async () => {
  await follow("nav a[href='/console/groups']");
  await look();
  await search('name:"Domain Admins"');
  await follow("#results tbody th a");
  assert((await texts("section[aria-labelledby=members] li")).length > 0, "the group has members");
  await look();
  await follow("nav a[href='/console/roles']");
  await look();
  if (await page.$("main tbody th a")) {
    await follow("main tbody th a");
    await look();
  }
});

test("a connector, its profile and its runs", async () => {
  await follow("nav a[href='/console/connectors']");
  await look();
  await follow("main tbody th a");
  assert.equal(await text("h1"), "Demo directory");
  await look();
  const connector = path();
  for (const form of ["edit", "delete", "profiles/new"]) {
    await open(`${connector}/${form}`);
    await look();
  }
  await open(connector);
  await follow("form[action$='/test'] button");
  await ended();
  assert((await texts("ol.steps li")).length > 0, "the test of the connection tells its steps");
  await look();
  await open(connector);
  await follow("section[aria-labelledby=profiles] tbody a");
  await look();
  const profile = path();
  for (const form of ["edit", "delete"]) {
    await open(`${profile}/${form}`);
    await look();
  }
  await open(profile);
  await follow("main form[action$='/run'] button.primary");
  assert.match(path(), /^\/console\/runs\//);
  await ended();
  assert.match(await text("#live .badges"), /complete/i);
  assert((await texts("table.ledger tbody tr")).length > 0, "the run has a ledger");
  await look();
  await follow("nav a[href='/console/runs']");
  await look();
});

test("a new connector begins with a form drawn from its type", async () => {
  await open("/console/connectors/new");
  await look();
  await follow("main .card a.button");
  await look();
});

test("where no API is known yet, the list says how to get some", async () => {
  await follow("nav a[href='/console/apis']");
  assert.match(await text("#results .empty"), /Discovered APIs come from/);
  await look();
});

test("a connector made through its form brings APIs, which are listed, asked for and narrowed down", async () => {
  azure = await source("azure", "--subscriptions", "1", "--services", "2", "--apis", "40");
  await follow("#results .empty a[href$='azure_api_management']");
  await look();
  const settings = {
    "name": "Contoso", "authentication.tenantId": azure.tenantId, "authentication.clientId": azure.clientId,
    "authentication.clientSecret": azure.clientSecret, "endpoints.login": azure.url, "endpoints.management": azure.url,
    "endpoints.storage": azure.storage,
  };
  for (const [key, value] of Object.entries(settings)) {
    await page.type(`[name='${key === "name" ? key : `settings.${key}`}']`, value);
  }
  await follow("main form button.primary");
  assert.equal(await text("h1"), "Contoso");
  assert(!(await page.content()).includes(azure.clientSecret), "the secret is not shown");
  await look();
  const connector = path();
  await follow("form[action$='/test'] button");
  await ended();
  assert.match(await text("#live .badges"), /passed/);
  await open(`${connector}/profiles/new`);
  await page.type("#name", "All of it");
  await follow("main form button.primary");
  await look();
  profile = path();
  await run();
  await follow("nav a[href='/console/apis']");
  await settled();
  assert.equal(await found(), azure.apis);
  assert(await page.$eval("#results .scroll", (list) => list.scrollWidth <= list.clientWidth), "the list fits its place");
  await look();
  await follow("nav.pages a[rel=next]");
  assert.equal((await texts("#results tbody tr")).length, azure.apis - 50, "the second page has the rest");
  await look();
  await open("/console/apis");
  await search("endpoints.method:POST and scanReady:true");
  const posted = await found();
  assert(posted > 0 && posted < azure.apis, `${posted} of ${azure.apis}`);
  await follow(".facets a");
  assert(await found() <= posted, "a facet narrows down");
  await follow("nav a[href='/console/sources']");
  assert.match(await text("section[aria-label='Azure API Management']"), new RegExp(`Discovered APIs *${azure.apis} 1 connector`));
  await look();
});

test("an API shows its endpoints, its definition, and after a change what its callers notice", async () => {
  await open("/console/apis");
  await search("definitionState:stored and apiType:http and endpointCount >= 3");
  const name = await text("#results tbody th a");
  await follow("#results tbody th a");
  assert.equal(await text("h1"), name);
  const api = path();
  const heads = await texts("main h2");
  for (const head of ["Endpoints", "Addresses", "Readiness for a scan", "Definition", "Attributes", "History"]) {
    assert(heads.includes(head), `${head} in ${heads}`);
  }
  const all = await texts("#endpoints tbody tr");
  await look();
  const wanted = await text("#endpoints tbody tr:last-child td:nth-child(2)");
  await page.type("#find", wanted);
  await page.keyboard.press("Enter");
  await page.waitForFunction((wanted) => new URLSearchParams(location.search).get("find") === wanted, {}, wanted);
  await settled();
  const some = await texts("#endpoints tbody tr");
  assert(some.length > 0 && some.length < all.length && some.every((row) => row.includes(wanted)), `${some}`);
  await look();
  await open(api);
  const file = await page.$eval("section[aria-labelledby=definition] a[download]", (link) => link.getAttribute("href"));
  await follow("section[aria-labelledby=definition] a[href$='/definition']:not([download])");
  const shown = await page.$eval("main pre", (place) => place.textContent);
  const kept = await page.evaluate(async (file) => (await fetch(file)).text(), file);
  assert.equal(shown, kept.slice(0, shown.length));
  assert.equal(JSON.parse(kept).info.title, name);
  await look();
  const changed = await fetch(`${azure.url}/_lab/change`, {
    method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ edit: 1 }),
  });
  const [, service, edited] = /\/service\/([^/]+)\/apis\/(.+)$/.exec((await changed.json()).edited[0]);
  await run();
  await open("/console/apis");
  await search(`api.service:'${service}' and api.api='${edited}'`);
  await follow("#results tbody th a");
  const history = await text("section[aria-labelledby=history]");
  assert.match(history, /1 change in the definition, 0 breaking Added/);
  await look();
});

test("a connector of MuleSoft brings instances, with what they serve, their addresses and their packages", async () => {
  mulesoft = await source("anypoint", "--seed", "3", "--groups", "1", "--environments", "2", "--apis", "8", "--page", "100");
  await open("/console/connectors/new");
  await follow("main a[href$='/new/mulesoft']");
  await look();
  const settings = {
    "name": "Anypoint", "authentication.organizationId": mulesoft.organizationId,
    "authentication.environmentId": mulesoft.environmentId, "authentication.clientId": mulesoft.clientId,
    "authentication.clientSecret": "wrong", "endpoints.base": mulesoft.url, "endpoints.storage": mulesoft.storage,
  };
  await fill(settings);
  assert.equal(await text("h1"), "Anypoint");
  const connector = path();
  const tested = async (outcome) => {
    await open(connector);
    await follow("form[action$='/test'] button");
    await ended();
    assert.match(await text("#live .badges"), outcome);
    await look();
  };
  await tested(/failed/);
  assert.match(await text("#live"), /What to do|secret/i);
  await open(`${connector}/edit`);
  await fill({ "authentication.clientSecret": mulesoft.clientSecret });
  assert(!(await page.content()).includes(mulesoft.clientSecret), "the secret is not shown");
  await tested(/passed/);
  await open(`${connector}/profiles/new`);
  await page.type("#name", "All instances");
  await page.select("[name='parameters.businessGroups']", "below");
  for (const choice of ["allEnvironments", "unmanagedAssets"]) {
    await page.click(`[name='parameters.${choice}']`);
  }
  await look();
  await follow("main form button.primary");
  profile = path();
  await faults({ hideEnvironments: true });
  await run(/failed/i);
  await look();
  await open(`/console/apis?q=${encodeURIComponent(OF_MULESOFT)}`);
  assert.match(await text("#results .empty"), /Nothing (matches|has been)/);
  await faults({ forbidEnvironment: mulesoft.environmentId });
  await run(/partial/i);
  assert.match(await text("table.ledger"), /remedy: give the connected app the scope `View APIs Configuration`/);
  await look();
  await faults({});
  await run();
  await open("/console/apis");
  await search(OF_MULESOFT);
  // An asset that nobody serves in each business group, besides the instances.
  assert.equal(await found(), mulesoft.apis + mulesoft.businessGroups);
  await look();
});

test("an instance of MuleSoft's is one of its asset, and its package can be had", async () => {
  const first = async (query) => {
    await open("/console/apis");
    await search(`${OF_MULESOFT} and ${query}`);
    await follow("#results tbody th a");
  };
  await first("specFormat:'raml 1.0' and definitionState:stored and runtimeStatus:active");
  const served = await text("section[aria-labelledby=served]");
  assert.match(served, /Service statuspublished Runtime statusactive Business group.+ Environment./);
  const kinds = await texts(".addresses .badge");
  assert(kinds.some((kind) => /definition/.test(kind)) && kinds.some((kind) => /implementation/.test(kind)), `${kinds}`);
  await look();
  const link = await page.$eval("section[aria-labelledby=definition] a[download]", (link) => link.getAttribute("href"));
  const [type, starts] = await page.evaluate(async (link) => {
    const answer = await fetch(link);
    const bytes = new Uint8Array(await answer.arrayBuffer());
    return [answer.headers.get("content-type"), String.fromCharCode(...bytes.slice(0, 2))];
  }, link);
  assert.deepEqual([type, starts], ["application/zip", "PK"]);
  await follow("section[aria-labelledby=definition] a[href$='/definition']:not([download])");
  assert.match(await text("main"), /It is no text: download it/);
  await look();
  await page.goBack();
  const asset = await text("section[aria-labelledby=served] code");
  await follow("section[aria-labelledby=served] a");
  await settled();
  assert(await found() >= 1);
  await follow("#results tbody th a");
  assert.equal(await text("section[aria-labelledby=served] code"), asset);
  // What owners give their callers goes before what the definition says, and a backend is never the address.
  await first("api.url:api1000");
  assert.match((await texts(".addresses li"))[0], /consumer https:\/\/api1000/);
  await look();
  const names = (await (await fetch(`${mulesoft.url}/_lab/truth`)).json())
    .filter((api) => api.definitionState === "stored").map((api) => api.name);
  await first(`displayName:'${names.find((name, at) => names.indexOf(name) !== at)}'`);
  assert.match(await text("section[aria-labelledby=definition]"), /The same definition as \d+ others?: .+ of Anypoint/);
  await first("specFormat:wsdl*");
  assert.match(await text("#endpoints"), /POST/);
  await look();
  await first("definitionState:none and not api.groupId:*");
  assert.match(await text("section[aria-labelledby=served]"), /The instance names none/);
  assert.match(await text("section[aria-labelledby=definition]"), /No document is kept/);
  await look();
});

test("dead letters, what is held, and one's own account", async () => {
  for (const place of ["dead-letters", "held"]) {
    await follow(`nav a[href='/console/${place}']`);
    await look();
  }
  await follow(".person a[href='/console/account']");
  await look();
});

test("a map is cloned, changed with what is wrong told, tried, saved and deleted", async () => {
  await follow("nav a[href='/console/maps']");
  assert.match(await text("section[aria-labelledby=own]"), /no map of your own yet/);
  await look();
  await follow("section[aria-labelledby=models] a[href$=':users']");
  assert((await texts("section[aria-labelledby=rows] tbody tr")).length > 5, "a map has rows");
  await look();
  await page.type("#name", "Karte für Łódź 人");
  await follow("form[action$='/clone'] button");
  assert.equal(await text("h1"), "Karte für Łódź 人");
  await look();
  await follow("main a[href$='/edit']");
  await look();
  const edit = path();
  await write("source: objectSid", "source: objectSit");
  await follow("button[name=check]");
  assert.match(await text("section[aria-labelledby=lints] li"), /^\d+:\d+ error M002/);
  assert.match(await page.$eval("#text", (field) => field.value), /source: objectSit/);
  await look();
  await follow("main form button.primary");
  await look([`422 ${edit}`]);
  await write("source: objectSit", "source: objectSid");
  await write("version: 1", "version: 2");
  await follow("button[name=preview]");
  assert((await texts("section[aria-labelledby=tried] tbody pre")).length >= 2, "records are shown before and after");
  await look();
  await follow("main form button.primary");
  assert.equal((await texts("section[aria-labelledby=versions] tbody tr")).length, 2);
  await look();
  await follow("nav a[href='/console/maps']");
  await look();
  await follow("section[aria-labelledby=own] tbody th a");
  await follow("main a[href$='/delete']");
  await look();
  await follow("main form button.danger");
  assert.match(await text("section[aria-labelledby=own]"), /no map of your own yet/);
  await look();
});

test("a page that is not there says so", async () => {
  await open("/console/nowhere");
  await look(["404 /console/nowhere"]);
});

test("accounts, clients and the audit", async () => {
  for (const place of ["accounts", "clients", "audit"]) {
    await open(`/console/${place}`);
    await look();
  }
  await open("/console/accounts");
  await follow("main tbody th a");
  await look();
});

test("signed out is out", async () => {
  await follow("form[action='/console/sign-out'] button");
  assert.equal(path(), "/console/sign-in");
  await open("/console/users");
  assert.equal(path(), "/console/sign-in");
  await look();
});

/** Fills what a form asks for, and sends it. */
async function fill(settings) {
  for (const [key, value] of Object.entries(settings)) {
    await page.type(`[name='${key === "name" ? key : `settings.${key}`}']`, value);
  }
  await follow("main form button.primary");
}

/** How the platform of MuleSoft fails from now on. */
const faults = (faults) => fetch(`${mulesoft.url}/_lab/faults`, {
  method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(faults),
}).then((answer) => assert(answer.ok));

/** Runs the profile that reads the APIs, to its end. */
async function run(outcome = /complete/i) {
  await open(profile);
  await follow("main form[action$='/run'] button.primary");
  await ended();
  assert.match(await text("#live .badges"), outcome);
}

/** Whether the list that is open fits its place even with a name and an address that are long and without blanks. */
const fits = () => page.evaluate(() => {
  const [name, , email] = document.querySelector("#results tbody tr").children;
  name.querySelector("bdi").textContent = "Wolfeschlegelsteinhausenbergerdorff-Featherstonehaugh";
  email.textContent = "wolfeschlegelsteinhausenbergerdorff@subsidiary.department.example.com";
  const { scrollWidth, clientWidth } = document.querySelector("#results .scroll");
  return scrollWidth <= clientWidth && document.documentElement.scrollWidth <= innerWidth;
});

/** Changes the text of the map that is edited. */
async function write(from, to) {
  const found = await page.$eval("#text", (field, from, to) => {
    const found = field.value.includes(from);
    field.value = field.value.replace(from, to);
    return found;
  }, from, to);
  assert(found, `the map holds ${from}`);
}

/** The README's picture; only by request, because its times of the day differ from run to run. */
async function picture() {
  if (!process.env.SCREENSHOT) return;
  await page.screenshot({ path: process.env.SCREENSHOT });
}
