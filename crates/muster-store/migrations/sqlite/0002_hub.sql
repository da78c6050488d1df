-- The hub: who may, what is configured, what is to be done (docs/adr/0006). Every unique key begins with the tenant (P11).

-- Sealed values, apart from what may be shown (P7).
CREATE TABLE secret (
  tenant INTEGER NOT NULL, owner TEXT NOT NULL, field TEXT NOT NULL, sealed TEXT NOT NULL, updated_at INTEGER NOT NULL,
  PRIMARY KEY (tenant, owner, field)
) STRICT;

CREATE TABLE profile (
  id INTEGER PRIMARY KEY, tenant INTEGER NOT NULL, connector INTEGER NOT NULL, uuid TEXT NOT NULL, name TEXT NOT NULL, name_folded TEXT NOT NULL,
  active INTEGER NOT NULL, maps TEXT NOT NULL, parameters TEXT NOT NULL, schedule TEXT, next_at INTEGER, version INTEGER NOT NULL,
  created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX profile_uuid ON profile (tenant, uuid);
CREATE UNIQUE INDEX profile_name ON profile (tenant, connector, name_folded);
CREATE INDEX profile_due ON profile (next_at) WHERE next_at IS NOT NULL;

CREATE TABLE job (
  id INTEGER PRIMARY KEY, tenant INTEGER NOT NULL, uuid TEXT NOT NULL, kind TEXT NOT NULL, connector INTEGER, profile INTEGER, payload TEXT NOT NULL,
  state TEXT NOT NULL, exclusive TEXT, available_at INTEGER NOT NULL, requested_by TEXT NOT NULL, created_at INTEGER NOT NULL, started_at INTEGER,
  ended_at INTEGER, owner TEXT, lease_until INTEGER, attempt INTEGER NOT NULL DEFAULT 0,
  lost INTEGER NOT NULL DEFAULT 0, cancelled INTEGER NOT NULL DEFAULT 0, result TEXT, message TEXT
) STRICT;
CREATE UNIQUE INDEX job_uuid ON job (tenant, uuid);
CREATE UNIQUE INDEX job_exclusive ON job (tenant, exclusive) WHERE exclusive IS NOT NULL AND state <> 'ended';
CREATE INDEX job_open ON job (available_at, id) WHERE state <> 'ended';
CREATE INDEX job_of_connector ON job (tenant, connector, id);
CREATE INDEX job_of_profile ON job (tenant, profile, id);
CREATE INDEX job_of_tenant ON job (tenant, id);

CREATE TABLE event (
  id INTEGER PRIMARY KEY, tenant INTEGER NOT NULL, job INTEGER NOT NULL, at INTEGER NOT NULL, level TEXT NOT NULL, kind TEXT NOT NULL,
  message TEXT NOT NULL, data TEXT
) STRICT;
CREATE INDEX event_of_job ON event (tenant, job, id);
CREATE INDEX event_age ON event (at);

CREATE TABLE account (
  id INTEGER PRIMARY KEY, tenant INTEGER NOT NULL, uuid TEXT NOT NULL, username TEXT NOT NULL, username_folded TEXT NOT NULL, role TEXT NOT NULL,
  password TEXT NOT NULL, active INTEGER NOT NULL, created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX account_uuid ON account (tenant, uuid);
CREATE UNIQUE INDEX account_name ON account (tenant, username_folded);

CREATE TABLE client (
  id INTEGER PRIMARY KEY, tenant INTEGER NOT NULL, uuid TEXT NOT NULL, name TEXT NOT NULL, name_folded TEXT NOT NULL, level TEXT NOT NULL,
  role TEXT NOT NULL, account TEXT, secret_hash TEXT NOT NULL, active INTEGER NOT NULL, created_at INTEGER NOT NULL, used_at INTEGER
) STRICT;
CREATE UNIQUE INDEX client_uuid ON client (tenant, uuid);
CREATE UNIQUE INDEX client_name ON client (tenant, name_folded);
CREATE INDEX client_of_everywhere ON client (uuid);

CREATE TABLE session (
  tenant INTEGER NOT NULL, id TEXT NOT NULL, kind TEXT NOT NULL, subject TEXT NOT NULL, name TEXT NOT NULL, role TEXT NOT NULL,
  created_at INTEGER NOT NULL, expires_at INTEGER NOT NULL, ended_at INTEGER,
  PRIMARY KEY (tenant, id)
) STRICT;
CREATE INDEX session_of_subject ON session (tenant, subject);
CREATE INDEX session_age ON session (expires_at);

CREATE TABLE audit (
  id INTEGER PRIMARY KEY, tenant INTEGER NOT NULL, at INTEGER NOT NULL, actor_kind TEXT NOT NULL, actor TEXT NOT NULL, action TEXT NOT NULL,
  object_kind TEXT NOT NULL, object TEXT NOT NULL, detail TEXT NOT NULL, request TEXT NOT NULL
) STRICT;
CREATE INDEX audit_of_tenant ON audit (tenant, id);

-- A map of one's own: a locked default, cloned, with its versions.
CREATE TABLE own_map (
  id INTEGER PRIMARY KEY, tenant INTEGER NOT NULL, uuid TEXT NOT NULL, type TEXT NOT NULL, stream TEXT NOT NULL, name TEXT NOT NULL,
  name_folded TEXT NOT NULL, version INTEGER NOT NULL, created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX own_map_uuid ON own_map (tenant, uuid);
CREATE UNIQUE INDEX own_map_name ON own_map (tenant, type, stream, name_folded);
CREATE TABLE own_map_version (
  map INTEGER NOT NULL, version INTEGER NOT NULL, text TEXT NOT NULL, at INTEGER NOT NULL, author TEXT NOT NULL, PRIMARY KEY (map, version)
) STRICT;

-- Agents: processes near a source, which read it for the hub (docs/adr/0013). Of a profile, the newest session counts.
CREATE TABLE agent (
  tenant INTEGER NOT NULL, profile INTEGER NOT NULL, connector INTEGER NOT NULL, session TEXT NOT NULL, subject_kind TEXT NOT NULL,
  subject TEXT NOT NULL, subject_name TEXT NOT NULL, host TEXT NOT NULL, version TEXT NOT NULL, cron TEXT, time_zone TEXT NOT NULL,
  began_at INTEGER NOT NULL, seen_at INTEGER NOT NULL, revision TEXT NOT NULL, report TEXT NOT NULL, lines TEXT NOT NULL,
  PRIMARY KEY (tenant, profile)
) STRICT;

-- Who may read a connector as its agent.
CREATE TABLE agent_binding (
  id INTEGER PRIMARY KEY, tenant INTEGER NOT NULL, uuid TEXT NOT NULL, connector INTEGER NOT NULL, subject_kind TEXT NOT NULL,
  subject TEXT NOT NULL, subject_name TEXT NOT NULL, created_at INTEGER NOT NULL, revoked_at INTEGER
) STRICT;
CREATE UNIQUE INDEX agent_binding_uuid ON agent_binding (tenant, uuid);
CREATE UNIQUE INDEX agent_binding_subject ON agent_binding (tenant, connector, subject_kind, subject);

-- Tokens that each make one agent a credential of its own.
CREATE TABLE agent_enrolment (
  tenant INTEGER NOT NULL, hash TEXT NOT NULL, connector INTEGER NOT NULL, created_at INTEGER NOT NULL, expires_at INTEGER NOT NULL, used_at INTEGER,
  PRIMARY KEY (tenant, hash)
) STRICT;
CREATE INDEX agent_enrolment_everywhere ON agent_enrolment (hash);

-- One call of a connector that its agent is to make, and what it has sent of it.
CREATE TABLE agent_order (
  id INTEGER PRIMARY KEY, tenant INTEGER NOT NULL, connector INTEGER NOT NULL, profile INTEGER, job INTEGER NOT NULL, task TEXT NOT NULL,
  map INTEGER, known INTEGER NOT NULL, state TEXT NOT NULL, have INTEGER NOT NULL, taken INTEGER NOT NULL
) STRICT;
CREATE INDEX agent_order_of_job ON agent_order (tenant, job, id);
CREATE INDEX agent_order_open ON agent_order (tenant, connector, id) WHERE state = 'open';
CREATE TABLE agent_parcel (
  tenant INTEGER NOT NULL, order_id INTEGER NOT NULL, sequence INTEGER NOT NULL, body BLOB NOT NULL, PRIMARY KEY (tenant, order_id, sequence)
) STRICT;
