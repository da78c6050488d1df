-- Ids BIGINT, times BIGINT microseconds since 1970 UTC, hashes 16 bytes of BLAKE3, JSON as TEXT. Every unique key
-- begins with the tenant (P11).
CREATE TABLE tenant (id BIGINT PRIMARY KEY, uuid TEXT COLLATE "C" NOT NULL UNIQUE, name TEXT COLLATE "C" NOT NULL UNIQUE, created_at BIGINT NOT NULL);
CREATE TABLE sequence (name TEXT COLLATE "C" PRIMARY KEY, next BIGINT NOT NULL);
INSERT INTO sequence (name, next) VALUES ('id', 1);

CREATE TABLE connector (
  id BIGINT PRIMARY KEY, tenant BIGINT NOT NULL, uuid TEXT COLLATE "C" NOT NULL, type TEXT COLLATE "C" NOT NULL,
  name TEXT COLLATE "C" NOT NULL, name_folded TEXT COLLATE "C" NOT NULL, source_name TEXT COLLATE "C" NOT NULL, source_folded TEXT COLLATE "C" NOT NULL,
  description TEXT COLLATE "C" NOT NULL DEFAULT '', settings TEXT COLLATE "C" NOT NULL DEFAULT '{}', execution TEXT COLLATE "C" NOT NULL DEFAULT 'hub',
  version BIGINT NOT NULL DEFAULT 1, created_at BIGINT NOT NULL, updated_at BIGINT NOT NULL, removed_at BIGINT
);
CREATE UNIQUE INDEX connector_uuid ON connector (tenant, uuid);
CREATE UNIQUE INDEX connector_name ON connector (tenant, name_folded) WHERE removed_at IS NULL;

-- Every map that ever made an asset, so that each value can say where it came from.
CREATE TABLE transform_map (
  id BIGINT PRIMARY KEY, tenant BIGINT NOT NULL, stream TEXT COLLATE "C" NOT NULL, name TEXT COLLATE "C" NOT NULL, version BIGINT NOT NULL,
  fingerprint BYTEA NOT NULL, text TEXT COLLATE "C" NOT NULL, created_at BIGINT NOT NULL, UNIQUE (tenant, stream, fingerprint)
);

CREATE TABLE scope (
  id BIGINT PRIMARY KEY, tenant BIGINT NOT NULL, connector BIGINT NOT NULL, stream TEXT COLLATE "C" NOT NULL, name TEXT COLLATE "C" NOT NULL,
  cursor TEXT COLLATE "C", attempt BIGINT NOT NULL DEFAULT 0, complete_at BIGINT, presence_proven_at BIGINT, map BIGINT, profile BIGINT,
  UNIQUE (tenant, connector, stream, name)
);

CREATE TABLE run (
  id BIGINT PRIMARY KEY, tenant BIGINT NOT NULL, connector BIGINT NOT NULL, mode TEXT COLLATE "C" NOT NULL,
  machine_version BIGINT NOT NULL, machine TEXT COLLATE "C" NOT NULL, state TEXT COLLATE "C" NOT NULL, result TEXT COLLATE "C", as_of BIGINT NOT NULL,
  started_at BIGINT NOT NULL, ended_at BIGINT, cancelled BIGINT NOT NULL DEFAULT 0, attempt BIGINT NOT NULL DEFAULT 0, profile BIGINT, job BIGINT, origin TEXT COLLATE "C", notes TEXT COLLATE "C" NOT NULL
);
CREATE INDEX run_of_connector ON run (tenant, connector, id);
CREATE INDEX run_of_tenant ON run (tenant, id);
CREATE UNIQUE INDEX run_open ON run (tenant, connector, profile) WHERE state <> 'ended';
CREATE INDEX run_of_profile ON run (profile, id) WHERE profile IS NOT NULL;
CREATE INDEX run_of_job ON run (job, id) WHERE job IS NOT NULL;

-- The ledger: a line per run and scope, written in the transaction of each batch.
CREATE TABLE run_scope (
  run BIGINT NOT NULL, scope BIGINT NOT NULL, position BIGINT NOT NULL, ended BIGINT NOT NULL DEFAULT 0, line TEXT COLLATE "C" NOT NULL,
  PRIMARY KEY (run, scope)
);

-- What a run saw (kind 0), changed (1), was told is deleted (2), missed (3) or holds (4): delta-coded sorted ids, dropped at the run's end.
CREATE TABLE seen (
  run BIGINT NOT NULL, scope BIGINT NOT NULL, kind BIGINT NOT NULL, batch BIGINT NOT NULL, ids BYTEA NOT NULL,
  PRIMARY KEY (run, scope, kind, batch)
);

-- Records that lost a content attribute: written when the guard has seen them all (D9).
CREATE TABLE parked (
  run BIGINT NOT NULL, asset BIGINT NOT NULL, scope BIGINT NOT NULL, lost BIGINT NOT NULL, record BYTEA NOT NULL,
  PRIMARY KEY (run, asset)
);

CREATE TABLE asset (
  id BIGINT PRIMARY KEY, tenant BIGINT NOT NULL, connector BIGINT NOT NULL, stream TEXT COLLATE "C" NOT NULL, class TEXT COLLATE "C" NOT NULL,
  source_key TEXT COLLATE "C" NOT NULL, scope BIGINT NOT NULL, record_hash BYTEA NOT NULL, volatile_hash BYTEA NOT NULL,
  attributes BIGINT NOT NULL, map BIGINT NOT NULL, state TEXT COLLATE "C" NOT NULL, gone_cause TEXT COLLATE "C", gone_at BIGINT,
  missing_since BIGINT, missed BIGINT NOT NULL DEFAULT 0, first_seen BIGINT NOT NULL, changed_at BIGINT NOT NULL,
  recheck_at BIGINT, external_id TEXT COLLATE "C", vendor_id TEXT COLLATE "C", container TEXT COLLATE "C", relative_name TEXT COLLATE "C", locator BIGINT, origin TEXT COLLATE "C"
);
CREATE UNIQUE INDEX asset_key ON asset (tenant, connector, stream, source_key);
CREATE INDEX asset_presence ON asset (connector, stream, state, scope, id);
CREATE INDEX asset_external ON asset (tenant, external_id);
CREATE INDEX asset_locator ON asset (connector, locator) WHERE state = 'present';
CREATE INDEX asset_recheck ON asset (connector, recheck_at) WHERE recheck_at IS NOT NULL;
CREATE INDEX asset_missing ON asset (connector, stream, missing_since) WHERE missing_since IS NOT NULL;
CREATE INDEX asset_gone ON asset (connector, stream, gone_at) WHERE gone_at IS NOT NULL;
CREATE INDEX asset_gone_age ON asset (tenant, gone_at, id) WHERE gone_at IS NOT NULL;

-- The wide part of an asset, apart from the narrow one so that comparing hashes reads few pages (docs/adr/0003).
CREATE TABLE document (asset BIGINT PRIMARY KEY, detail TEXT COLLATE "C" NOT NULL, volatile BYTEA NOT NULL, raw BYTEA);

-- Documents that assets name (definitions of APIs): once for each content, zstd. The name is SHA-256 and a kind; `at` is
-- when it first came.
CREATE TABLE blob (
  tenant BIGINT NOT NULL, name TEXT COLLATE "C" NOT NULL, bytes BYTEA NOT NULL, at BIGINT NOT NULL, PRIMARY KEY (tenant, name)
);

-- `definition`: what changed in an API's definition, where it changed.
CREATE TABLE change (
  id BIGINT PRIMARY KEY, asset BIGINT NOT NULL, run BIGINT NOT NULL, at BIGINT NOT NULL, cause TEXT COLLATE "C" NOT NULL,
  before TEXT COLLATE "C" NOT NULL,
  definition TEXT COLLATE "C"
);
CREATE INDEX change_of_asset ON change (asset, id);

-- A member is resolved to an asset at the run's end; until then its label says what the source said.
CREATE TABLE edge (
  owner BIGINT NOT NULL, kind TEXT COLLATE "C" NOT NULL, member_hash BYTEA NOT NULL, member BIGINT, member_key TEXT COLLATE "C", locator BIGINT,
  label TEXT COLLATE "C", PRIMARY KEY (owner, kind, member_hash)
);
CREATE INDEX edge_member ON edge (member, kind) WHERE member IS NOT NULL;
CREATE INDEX edge_unresolved ON edge (owner) WHERE member IS NULL;
CREATE TABLE link_set (
  owner BIGINT NOT NULL, kind TEXT COLLATE "C" NOT NULL, hash BYTEA NOT NULL, members BIGINT NOT NULL, PRIMARY KEY (owner, kind)
);
CREATE TABLE edge_stage (
  run BIGINT NOT NULL, owner BIGINT NOT NULL, kind TEXT COLLATE "C" NOT NULL, member_hash BYTEA NOT NULL, member_key TEXT COLLATE "C",
  locator BIGINT, label TEXT COLLATE "C", PRIMARY KEY (run, owner, kind, member_hash)
);

-- Records that became no asset: the map that rejected them, the target that stayed empty, how often they were replayed since.
CREATE TABLE dead_letter (
  id BIGINT PRIMARY KEY, tenant BIGINT NOT NULL, connector BIGINT NOT NULL, stream TEXT COLLATE "C" NOT NULL, scope BIGINT NOT NULL,
  source_key TEXT COLLATE "C" NOT NULL, run BIGINT NOT NULL, at BIGINT NOT NULL, reason TEXT COLLATE "C" NOT NULL, raw BYTEA NOT NULL,
  map BIGINT, target TEXT COLLATE "C", replays BIGINT NOT NULL DEFAULT 0,
  UNIQUE (tenant, connector, stream, source_key)
);
CREATE INDEX dead_letter_of_scope ON dead_letter (scope, id);

-- Which search tables there are: they are drawn from the registry of fields, and made anew when it changes.
CREATE TABLE search_schema (id BIGINT PRIMARY KEY, fingerprint BYTEA NOT NULL);
