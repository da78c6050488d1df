// Drives the console in Chromium, against `muster demo`: what a person would click, and on every page what they would
// not see: what the browser complains of, whom it asks, and what an assistive technology would stumble over.
//
//   node console.mjs        MUSTER_BINARY, CHROMIUM: the programs; SCREENSHOT: where to write the README's picture
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { after, before, test } from "node:test";
import puppeteer from "puppeteer-core";

const USERS = 300;
const START_MS = 90_000;
const WAIT_MS = 20_000;
const SCHEMES = ["light", "dark"];
const FAILING = ["serious", "critical"];
const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

const said = (name) => process.env[name] ?? assert.fail(`the variable ${name} is not set`);

let data, hub, banner, browser, page;
/** What happened since the last look: console errors, requests, answers. */
const seen = { errors: [], requests: [], refused: [] };
/** axe's lesser findings, told at the end. */
const lesser = new Map();
/** The pages that were looked at. */
const looked = new Set();

before(async () => {
  data = mkdtempSync(join(tmpdir(), "muster-browser-"));
  hub = spawn(said("MUSTER_BINARY"), ["demo", "--listen", "127.0.0.1:0", "--data", join(data, "hub"), "--users", String(USERS)], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  let told = "";
  hub.stderr.on("data", (text) => { told += text; });
  const line = Promise.race([
    once(createInterface({ input: hub.stdout }), "line").then(([text]) => text),
    once(hub, "exit").then(([code]) => { throw new Error(`muster demo ended with ${code}: ${told}`); }),
    once(AbortSignal.timeout(START_MS), "abort").then(() => { throw new Error(`muster demo said nothing: ${told}`); }),
  ]);
  banner = JSON.parse(await line);
  browser = await puppeteer.launch({
    executablePath: said("CHROMIUM"),
    headless: true,
    userDataDir: join(data, "browser"),
    // The sandbox needs a kernel feature that containers often lack; only our own pages are shown. The rest keeps the
    // browser from asking its maker's servers, which are no page's requests and would not be seen below.
    args: ["--no-sandbox", "--disable-background-networking", "--disable-component-update", "--no-first-run",
      "--disable-dev-shm-usage", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"],
  });
  page = await browser.newPage();
  await page.setViewport({ width: 1280, height: 800 });
  page.setDefaultTimeout(WAIT_MS);
  watch(page);
}, { timeout: START_MS + 30_000 });

after(async () => {
  await browser?.close();
  if (hub?.exitCode === null) {
    hub.kill("SIGTERM");
    await once(hub, "exit", { signal: AbortSignal.timeout(WAIT_MS) }).catch(() => hub.kill("SIGKILL"));
  }
  if (data) rmSync(data, { recursive: true, force: true, maxRetries: 5 });
  for (const [finding, places] of lesser) console.log(`lesser finding: ${finding}: ${[...places].join(", ")}`);
  console.log(`looked at ${looked.size} pages in ${SCHEMES.join(" and ")}: ${[...looked].join(", ")}`);
});

/** Keeps account of all that a page does. A violation of the content security policy is an error of the console. */
function watch(page) {
  page.on("console", (message) => {
    if (["error", "warn"].includes(message.type())) seen.errors.push(`${message.text()} (${message.location().url ?? ""})`);
  });
  page.on("pageerror", (error) => seen.errors.push(String(error)));
  page.on("request", (request) => seen.requests.push(request.url()));
  page.on("requestfailed", (request) => {
    // What a navigation overtakes is given up by the browser.
    const reason = request.failure()?.errorText ?? "";
    if (reason !== "net::ERR_ABORTED") seen.errors.push(`${request.url()} failed: ${reason}`);
  });
  page.on("response", (response) => {
    if (response.status() >= 400) seen.refused.push(`${response.status()} ${new URL(response.url()).pathname}`);
  });
}

/** Nothing but this hub was asked, and nothing went wrong but what is `expected`. */
function account(place, expected = []) {
  const [errors, requests, refused] = [seen.errors, seen.requests, seen.refused].map((list) => list.splice(0));
  const foreign = requests.filter((url) => !url.startsWith("data:") && new URL(url).origin !== banner.url);
  assert.deepEqual(foreign, [], `${place}: requests to other hosts`);
  assert.deepEqual(refused, expected, `${place}: refused requests`);
  // Chromium tells of each refused request in the console, too.
  const left = errors.filter((text) => !(expected.length && /^Failed to load resource|^Response Status Error Code/.test(text)));
  assert.deepEqual(left, [], `${place}: errors in the console`);
}

/** Waits until htmx has put in place what it fetches. */
async function settled() {
  await page.waitForFunction(() => document.readyState === "complete"
    && !document.querySelector(".htmx-request,.htmx-swapping,.htmx-settling")
    && ![...document.querySelectorAll("[hx-trigger='load']")].some((part) => part.querySelector(":scope > p > a")));
}

/** Looks at the page that is open: its frame, its accounts, and axe in both colour schemes. */
async function look(expected = []) {
  await settled();
  const place = new URL(page.url()).pathname.replace(/[0-9a-f]{8}-[0-9a-f-]{27}|\d+$/g, "ID");
  looked.add(place);
  const frame = await page.evaluate(() => ({
    headings: document.querySelectorAll("h1").length,
    language: document.documentElement.lang,
    title: document.title,
  }));
  assert.equal(frame.headings, 1, `${place}: one h1`);
  assert.equal(frame.language, "en", `${place}: lang`);
  assert.match(frame.title, /^\S.* · Muster$/, `${place}: title`);
  for (const scheme of SCHEMES) {
    await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: scheme }]);
    assert(await page.evaluate((scheme) => matchMedia(`(prefers-color-scheme: ${scheme})`).matches, scheme));
    await accessible(`${place} (${scheme})`);
  }
  await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: "light" }]);
  account(place, expected);
}

/** axe finds nothing serious. It is evaluated over the browser's protocol, which the page's policy does not bind. */
async function accessible(place) {
  await page.evaluate(AXE);
  const violations = await page.evaluate(async () => {
    const result = await globalThis.axe.run(document, { resultTypes: ["violations"] });
    return result.violations.map(({ id, impact, help, nodes }) => ({
      id, impact, help, where: nodes.slice(0, 5).map((node) => `${node.target.join(" ")}: ${node.failureSummary}`),
    }));
  });
  for (const { id, impact, help } of violations.filter((found) => !FAILING.includes(found.impact))) {
    const finding = `${id} (${impact}): ${help}`;
    lesser.set(finding, (lesser.get(finding) ?? new Set()).add(place));
  }
  const failing = violations.filter((found) => FAILING.includes(found.impact));
  assert.deepEqual(failing, [], `${place}: accessibility`);
}

const open = (place) => page.goto(banner.url + place, { waitUntil: "load" });

/** Clicks what leads to another page. */
async function follow(selector) {
  await page.waitForSelector(selector);
  await Promise.all([page.waitForNavigation({ waitUntil: "load" }), page.click(selector)]);
}

const text = (selector) => page.$eval(selector, (node) => node.textContent.replace(/\s+/g, " ").trim());
const texts = (selector) => page.$$eval(selector, (nodes) => nodes.map((node) => node.textContent.replace(/\s+/g, " ").trim()));
const path = () => new URL(page.url()).pathname;

async function sign_in(password) {
  await page.$eval("#username", (field) => { field.value = ""; });
  await page.type("#username", banner.username);
  await page.type("#password", password);
  await follow("main form button.primary");
}

/** Waits until the run whose page is open has ended; the page follows it by itself. */
const ended = () => page.waitForFunction(() => document.querySelector("#live") && !document.querySelector("#live[hx-trigger]"));

/** How many a list says it has found. */
const found = () => page.$eval(".summary strong", (node) => Number(node.textContent.replace(/\D/g, "")));

/** Asks the list that is open, and waits for the answer. */
async function search(query) {
  await page.$eval("#q", (field) => { field.value = ""; });
  await page.type("#q", query);
  await page.keyboard.press("Enter");
  await page.waitForFunction((query) => new URLSearchParams(location.search).get("q") === query, {}, query);
  await settled();
}

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

/** The README's picture; only by request, because its times of the day differ from run to run. */
async function picture() {
  if (!process.env.SCREENSHOT) return;
  await page.screenshot({ path: process.env.SCREENSHOT });
}
