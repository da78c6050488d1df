// Holds `muster spec endpoints` against other readers of definitions, over real documents of other people: endpoints of
// OpenAPI and Swagger, and of RAML parameters, media types, codes and security too.
//
//   node compare.mjs fetch FOLDER          gets the documents that corpus.tsv lists out of their npm packages, once
//   node compare.mjs check FOLDER MUSTER   reads each with both; what differs must be what differences.txt explains
import { execFile, execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { promisify } from "node:util";

import * as raml from "./raml.mjs";

const HERE = import.meta.dirname;
const WORKERS = 2;

/** The corpus: `{ npmPackage, path, sha256 }` a line. */
const corpus = readFileSync(join(HERE, "corpus.tsv"), "utf8")
  .split("\n")
  .filter((line) => line && !line.startsWith("#"))
  .map((line) => {
    const [npmPackage, path, sha256] = line.split("\t");
    return { npmPackage, path, sha256, name: `${npmPackage} ${path}` };
  });

const sha256 = (bytes) => createHash("sha256").update(bytes).digest("hex");
const fileOf = (folder, document) => join(folder, document.npmPackage.replaceAll("/", "+"), document.path);
const isThere = (folder, document) => {
  const file = fileOf(folder, document);
  return existsSync(file) && sha256(readFileSync(file)) === document.sha256;
};

function fetchAll(folder) {
  const missing = corpus.filter((document) => !isThere(folder, document));
  for (const npmPackage of new Set(missing.map((document) => document.npmPackage))) {
    const of = missing.filter((document) => document.npmPackage === npmPackage);
    mkdirSync(folder, { recursive: true });
    const work = mkdtempSync(join(folder, "fetch-"));
    try {
      const packed = execFileSync("npm", ["pack", npmPackage, "--silent", "--pack-destination", work], { encoding: "utf8" });
      const archive = join(work, packed.trim().split("\n").at(-1));
      writeFileSync(join(work, "list"), of.map((document) => `package/${document.path}\n`).join(""));
      execFileSync("tar", ["-xzf", archive, "-C", work, "-T", join(work, "list")]);
      for (const document of of) {
        const file = fileOf(folder, document);
        mkdirSync(dirname(file), { recursive: true });
        renameSync(join(work, "package", document.path), file);
        if (!isThere(folder, document)) throw new Error(`${document.name} is not what corpus.tsv says`);
      }
    } finally {
      rmSync(work, { recursive: true, force: true });
    }
  }
  console.error(`${corpus.length} definitions, ${missing.length} of them fetched`);
}

/** `METHOD path` of each operation, as swagger-parser sees the document. */
async function byParser(file) {
  const { default: SwaggerParser } = await import("@apidevtools/swagger-parser");
  const parser = new SwaggerParser();
  const api = await parser.parse(file);
  const version = api.swagger ?? api.openapi;
  const methods = ["get", "put", "post", "delete", "options", "head", "patch"];
  if (!api.swagger) methods.push("trace");
  if (String(version).startsWith("3.2")) methods.push("query");
  const found = new Set();
  for (const [path, written] of Object.entries(api.paths ?? {})) {
    if (path.startsWith("x-")) continue;
    let item = written ?? {};
    for (let hops = 0; typeof item.$ref === "string" && item.$ref.startsWith("#/") && hops < 32; hops += 1) {
      const { $ref, ...own } = item;
      const steps = $ref.slice(2).split("/").map((step) => decodeURIComponent(step).replaceAll("~1", "/").replaceAll("~0", "~"));
      item = { ...steps.reduce((node, step) => node?.[step], api), ...own };
    }
    for (const method of methods) if (method in item) found.add(`${method.toUpperCase()} ${path}`);
    for (const method of Object.keys(item.additionalOperations ?? {})) found.add(`${method} ${path}`);
  }
  return found;
}

async function byMuster(muster, { file, isRaml }) {
  const options = { maxBuffer: 64 << 20 };
  const json = isRaml ? ["--json"] : [];
  const { stdout } = await promisify(execFile)(muster, ["spec", "endpoints", ...json, file], options);
  if (isRaml) return raml.ofReading(JSON.parse(stdout));
  const lines = stdout.split("\n").filter(Boolean);
  if (new Set(lines).size !== lines.length) throw new Error("an endpoint twice");
  return new Set(lines);
}

/** What one of both says and the other does not; and how many endpoints both see. */
async function compare(muster, document) {
  const other = document.isRaml ? raml.byParser(document.root) : byParser(document.file);
  const who = document.isRaml ? "amf" : "swagger-parser";
  const [ours, theirs] = await Promise.all(
    [byMuster(muster, document), other].map((reading) => reading.then((found) => ({ found }), (error) => ({ error }))),
  );
  const cause = (error) => (error.stderr?.match(/caused by: (.*)/)?.[1] ?? error.message).split("\n")[0];
  if (ours.error && theirs.error) return { lines: [`both refuse; muster says: ${cause(ours.error)}`], both: 0 };
  if (ours.error) return { lines: [`only muster refuses: ${cause(ours.error)}`], both: 0 };
  if (theirs.error) return { lines: [`only ${who} refuses: muster reads ${ours.found.size} endpoints`], both: 0 };
  const only = (some, others, who) => [...some].filter((one) => !others.has(one)).map((one) => `only ${who}: ${one}`);
  const lines = [...only(ours.found, theirs.found, "muster"), ...only(theirs.found, ours.found, who)];
  const both = [...ours.found].filter((one) => theirs.found.has(one));
  return { lines, both: both.filter((one) => !one.includes(": ")).length, details: both.length };
}

async function check(folder, muster) {
  const found = [];
  let seenByBoth = 0;
  let details = 0;
  const documents = corpus.map((document) => {
    const file = fileOf(folder, document);
    return { name: document.name, file, root: file, isRaml: file.endsWith(".raml") };
  });
  documents.push(...raml.packages(folder).map((document) => ({ ...document, isRaml: true })));
  const queue = [...documents];
  const work = async () => {
    for (let document = queue.shift(); document; document = queue.shift()) {
      const { lines, both, details: more = both } = await compare(muster, document);
      found.push(...lines.map((line) => `${document.name}: ${line}`));
      seenByBoth += both;
      details += more - both;
    }
  };
  await Promise.all(Array.from({ length: WORKERS }, work));
  const explained = readFileSync(join(HERE, "differences.txt"), "utf8").split("\n").filter((line) => line && !line.startsWith("#"));
  const missing = explained.filter((line) => !found.includes(line));
  const unexplained = found.filter((line) => !explained.includes(line)).sort();
  const ramls = documents.filter((document) => document.isRaml).length;
  console.error(
    `${documents.length} definitions, ${ramls} of them RAML: ${seenByBoth} endpoints and ${details} details of them seen by both, ` +
      `${found.length} differences`,
  );
  for (const line of unexplained) console.log(`not explained: ${line}`);
  for (const line of missing) console.log(`explained, but not there: ${line}`);
  if (unexplained.length + missing.length > 0) process.exit(1);
}

const [verb, folder, muster] = process.argv.slice(2);
if (verb === "fetch" && folder) fetchAll(folder);
else if (verb === "check" && folder && muster) await check(folder, muster);
else {
  console.error("usage: node compare.mjs fetch FOLDER | check FOLDER MUSTER");
  process.exit(2);
}
