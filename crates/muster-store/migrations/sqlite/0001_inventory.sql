-- Ids BIGINT, times BIGINT microseconds since 1970 UTC, hashes 16 bytes of BLAKE3, JSON as TEXT. Every unique key
-- begins with the tenant (P11).
CREATE TABLE tenant (id INTEGER PRIMARY KEY, uuid TEXT NOT NULL UNIQUE, name TEXT NOT NULL UNIQUE, created_at INTEGER NOT NULL) STRICT;
CREATE TABLE sequence (name TEXT PRIMARY KEY, next INTEGER NOT NULL) STRICT, WITHOUT ROWID;
INSERT INTO sequence (name, next) VALUES ('id', 1);

CREATE TABLE connector (
  id INTEGER PRIMARY KEY, tenant INTEGER NOT NULL, uuid TEXT NOT NULL, type TEXT NOT NULL,
  name TEXT NOT NULL, name_folded TEXT NOT NULL, source_name TEXT NOT NULL, source_folded TEXT NOT NULL,
  description TEXT NOT NULL DEFAULT '', settings TEXT NOT NULL DEFAULT '{}', execution TEXT NOT NULL DEFAULT 'hub',
  version INTEGER NOT NULL DEFAULT 1, created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL, removed_at INTEGER
) STRICT;
CREATE UNIQUE INDEX connector_uuid ON connector (tenant, uuid);
CREATE UNIQUE INDEX connector_name ON connector (tenant, name_folded) WHERE removed_at IS NULL;

-- Every map that ever made an asset, so that each value can say where it came from.
CREATE TABLE transform_map (
  id INTEGER PRIMARY KEY, tenant INTEGER NOT NULL, stream TEXT NOT NULL, name TEXT NOT NULL, version INTEGER NOT NULL,
  fingerprint BLOB NOT NULL, text TEXT NOT NULL, created_at INTEGER NOT NULL, UNIQUE (tenant, stream, fingerprint)
) STRICT;

CREATE TABLE scope (
  id INTEGER PRIMARY KEY, tenant INTEGER NOT NULL, connector INTEGER NOT NULL, stream TEXT NOT NULL, name TEXT NOT NULL,
  cursor TEXT, attempt INTEGER NOT NULL DEFAULT 0, complete_at INTEGER, presence_proven_at INTEGER, map INTEGER, profile INTEGER,
  UNIQUE (tenant, connector, stream, name)
) STRICT;

CREATE TABLE run (
  id INTEGER PRIMARY KEY, tenant INTEGER NOT NULL, connector INTEGER NOT NULL, mode TEXT NOT NULL,
  machine_version INTEGER NOT NULL, machine TEXT NOT NULL, state TEXT NOT NULL, result TEXT, as_of INTEGER NOT NULL,
  started_at INTEGER NOT NULL, ended_at INTEGER, cancelled INTEGER NOT NULL DEFAULT 0, attempt INTEGER NOT NULL DEFAULT 0, profile INTEGER, job INTEGER, origin TEXT, notes TEXT NOT NULL
) STRICT;
CREATE INDEX run_of_connector ON run (tenant, connector, id);
CREATE INDEX run_of_tenant ON run (tenant, id);
CREATE UNIQUE INDEX run_open ON run (tenant, connector, profile) WHERE state <> 'ended';
CREATE INDEX run_of_profile ON run (profile, id) WHERE profile IS NOT NULL;
CREATE INDEX run_of_job ON run (job, id) WHERE job IS NOT NULL;

-- The ledger: a line per run and scope, written in the transaction of each batch.
CREATE TABLE run_scope (
  run INTEGER NOT NULL, scope INTEGER NOT NULL, position INTEGER NOT NULL, ended INTEGER NOT NULL DEFAULT 0, line TEXT NOT NULL,
  PRIMARY KEY (run, scope)
) STRICT, WITHOUT ROWID;

-- What a run saw (kind 0), changed (1), was told is deleted (2), missed (3) or holds (4): delta-coded sorted ids, dropped at the run's end.
CREATE TABLE seen (
  run INTEGER NOT NULL, scope INTEGER NOT NULL, kind INTEGER NOT NULL, batch INTEGER NOT NULL, ids BLOB NOT NULL,
  PRIMARY KEY (run, scope, kind, batch)
) STRICT, WITHOUT ROWID;

-- Records that lost a content attribute: written when the guard has seen them all (D9).
CREATE TABLE parked (
  run INTEGER NOT NULL, asset INTEGER NOT NULL, scope INTEGER NOT NULL, lost INTEGER NOT NULL, record BLOB NOT NULL,
  PRIMARY KEY (run, asset)
) STRICT, WITHOUT ROWID;

CREATE TABLE asset (
  id INTEGER PRIMARY KEY, tenant INTEGER NOT NULL, connector INTEGER NOT NULL, stream TEXT NOT NULL, class TEXT NOT NULL,
  source_key TEXT NOT NULL, scope INTEGER NOT NULL, record_hash BLOB NOT NULL, volatile_hash BLOB NOT NULL,
  attributes INTEGER NOT NULL, map INTEGER NOT NULL, state TEXT NOT NULL, gone_cause TEXT, gone_at INTEGER,
  missing_since INTEGER, missed INTEGER NOT NULL DEFAULT 0, first_seen INTEGER NOT NULL, changed_at INTEGER NOT NULL,
  recheck_at INTEGER, external_id TEXT, vendor_id TEXT, container TEXT, relative_name TEXT, locator INTEGER, origin TEXT
) STRICT;
CREATE UNIQUE INDEX asset_key ON asset (tenant, connector, stream, source_key);
CREATE INDEX asset_presence ON asset (connector, stream, state, scope, id);
CREATE INDEX asset_external ON asset (tenant, external_id);
CREATE INDEX asset_locator ON asset (connector, locator) WHERE state = 'present';
CREATE INDEX asset_recheck ON asset (connector, recheck_at) WHERE recheck_at IS NOT NULL;
CREATE INDEX asset_missing ON asset (connector, stream, missing_since) WHERE missing_since IS NOT NULL;
CREATE INDEX asset_gone ON asset (connector, stream, gone_at) WHERE gone_at IS NOT NULL;
CREATE INDEX asset_gone_age ON asset (tenant, gone_at, id) WHERE gone_at IS NOT NULL;

-- The wide part of an asset, apart from the narrow one so that comparing hashes reads few pages (docs/adr/0003).
CREATE TABLE document (asset INTEGER PRIMARY KEY, detail TEXT NOT NULL, volatile BLOB NOT NULL, raw BLOB) STRICT;

-- Documents that assets name (definitions of APIs): once for each content, zstd. The name is SHA-256 and a kind; `at` is
-- when it first came.
CREATE TABLE blob (
  tenant INTEGER NOT NULL, name TEXT NOT NULL, bytes BLOB NOT NULL, at INTEGER NOT NULL, PRIMARY KEY (tenant, name)
) STRICT;

-- `definition`: what changed in an API's definition, where it changed.
CREATE TABLE change (
  id INTEGER PRIMARY KEY, asset INTEGER NOT NULL, run INTEGER NOT NULL, at INTEGER NOT NULL, cause TEXT NOT NULL,
  before TEXT NOT NULL,
  definition TEXT
) STRICT;
CREATE INDEX change_of_asset ON change (asset, id);

-- A member is resolved to an asset at the run's end; until then its label says what the source said.
CREATE TABLE edge (
  owner INTEGER NOT NULL, kind TEXT NOT NULL, member_hash BLOB NOT NULL, member INTEGER, member_key TEXT, locator INTEGER,
  label TEXT, PRIMARY KEY (owner, kind, member_hash)
) STRICT, WITHOUT ROWID;
CREATE INDEX edge_member ON edge (member, kind) WHERE member IS NOT NULL;
CREATE INDEX edge_unresolved ON edge (owner) WHERE member IS NULL;
CREATE TABLE link_set (
  owner INTEGER NOT NULL, kind TEXT NOT NULL, hash BLOB NOT NULL, members INTEGER NOT NULL, PRIMARY KEY (owner, kind)
) STRICT, WITHOUT ROWID;
CREATE TABLE edge_stage (
  run INTEGER NOT NULL, owner INTEGER NOT NULL, kind TEXT NOT NULL, member_hash BLOB NOT NULL, member_key TEXT,
  locator INTEGER, label TEXT, PRIMARY KEY (run, owner, kind, member_hash)
) STRICT, WITHOUT ROWID;

-- Records that became no asset: the map that rejected them, the target that stayed empty, how often they were replayed since.
CREATE TABLE dead_letter (
  id INTEGER PRIMARY KEY, tenant INTEGER NOT NULL, connector INTEGER NOT NULL, stream TEXT NOT NULL, scope INTEGER NOT NULL,
  source_key TEXT NOT NULL, run INTEGER NOT NULL, at INTEGER NOT NULL, reason TEXT NOT NULL, raw BLOB NOT NULL,
  map INTEGER, target TEXT, replays INTEGER NOT NULL DEFAULT 0,
  UNIQUE (tenant, connector, stream, source_key)
) STRICT;
CREATE INDEX dead_letter_of_scope ON dead_letter (scope, id);

-- Which search tables there are: they are drawn from the registry of fields, and made anew when it changes.
CREATE TABLE search_schema (id INTEGER PRIMARY KEY, fingerprint BLOB NOT NULL) STRICT;
