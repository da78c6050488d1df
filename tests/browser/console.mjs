// Drives the console in Chromium, against `muster demo`: what a person would click.
//
//   node console.mjs        MUSTER_BINARY, CHROMIUM: the programs; SCREENSHOT: where to write the README's picture
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import {
  START_MS, banner, ended, follow, found, look, open, page, path, search, sign_in, start, stop, text, texts,
} from "./stage.mjs";

const USERS = 300;

before(() => start("demo", "--users", String(USERS)), { timeout: START_MS + 30_000 });
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
