-- The hub: who may, what is configured, what is to be done (docs/adr/0006). Every unique key begins with the tenant (P11).

-- Sealed values, apart from what may be shown (P7).
CREATE TABLE secret (
  tenant BIGINT NOT NULL, owner TEXT COLLATE "C" NOT NULL, field TEXT COLLATE "C" NOT NULL, sealed TEXT COLLATE "C" NOT NULL, updated_at BIGINT NOT NULL,
  PRIMARY KEY (tenant, owner, field)
);

CREATE TABLE profile (
  id BIGINT PRIMARY KEY, tenant BIGINT NOT NULL, connector BIGINT NOT NULL, uuid TEXT COLLATE "C" NOT NULL, name TEXT COLLATE "C" NOT NULL, name_folded TEXT COLLATE "C" NOT NULL,
  active BIGINT NOT NULL, maps TEXT COLLATE "C" NOT NULL, parameters TEXT COLLATE "C" NOT NULL, schedule TEXT COLLATE "C", next_at BIGINT, version BIGINT NOT NULL,
  created_at BIGINT NOT NULL, updated_at BIGINT NOT NULL
);
CREATE UNIQUE INDEX profile_uuid ON profile (tenant, uuid);
CREATE UNIQUE INDEX profile_name ON profile (tenant, connector, name_folded);
CREATE INDEX profile_due ON profile (next_at) WHERE next_at IS NOT NULL;

CREATE TABLE job (
  id BIGINT PRIMARY KEY, tenant BIGINT NOT NULL, uuid TEXT COLLATE "C" NOT NULL, kind TEXT COLLATE "C" NOT NULL, connector BIGINT, profile BIGINT, payload TEXT COLLATE "C" NOT NULL,
  state TEXT COLLATE "C" NOT NULL, exclusive TEXT COLLATE "C", available_at BIGINT NOT NULL, requested_by TEXT COLLATE "C" NOT NULL, created_at BIGINT NOT NULL, started_at BIGINT,
  ended_at BIGINT, owner TEXT COLLATE "C", lease_until BIGINT, attempt BIGINT NOT NULL DEFAULT 0,
  lost BIGINT NOT NULL DEFAULT 0, cancelled BIGINT NOT NULL DEFAULT 0, result TEXT COLLATE "C", message TEXT COLLATE "C"
);
CREATE UNIQUE INDEX job_uuid ON job (tenant, uuid);
CREATE UNIQUE INDEX job_exclusive ON job (tenant, exclusive) WHERE exclusive IS NOT NULL AND state <> 'ended';
CREATE INDEX job_open ON job (available_at, id) WHERE state <> 'ended';
CREATE INDEX job_of_connector ON job (tenant, connector, id);
CREATE INDEX job_of_profile ON job (tenant, profile, id);
CREATE INDEX job_of_tenant ON job (tenant, id);

CREATE TABLE event (
  id BIGINT PRIMARY KEY, tenant BIGINT NOT NULL, job BIGINT NOT NULL, at BIGINT NOT NULL, level TEXT COLLATE "C" NOT NULL, kind TEXT COLLATE "C" NOT NULL,
  message TEXT COLLATE "C" NOT NULL, data TEXT COLLATE "C"
);
CREATE INDEX event_of_job ON event (tenant, job, id);
CREATE INDEX event_age ON event (at);

CREATE TABLE account (
  id BIGINT PRIMARY KEY, tenant BIGINT NOT NULL, uuid TEXT COLLATE "C" NOT NULL, username TEXT COLLATE "C" NOT NULL, username_folded TEXT COLLATE "C" NOT NULL, role TEXT COLLATE "C" NOT NULL,
  password TEXT COLLATE "C" NOT NULL, active BIGINT NOT NULL, created_at BIGINT NOT NULL, updated_at BIGINT NOT NULL
);
CREATE UNIQUE INDEX account_uuid ON account (tenant, uuid);
CREATE UNIQUE INDEX account_name ON account (tenant, username_folded);

CREATE TABLE client (
  id BIGINT PRIMARY KEY, tenant BIGINT NOT NULL, uuid TEXT COLLATE "C" NOT NULL, name TEXT COLLATE "C" NOT NULL, name_folded TEXT COLLATE "C" NOT NULL, level TEXT COLLATE "C" NOT NULL,
  role TEXT COLLATE "C" NOT NULL, account TEXT COLLATE "C", secret_hash TEXT COLLATE "C" NOT NULL, active BIGINT NOT NULL, created_at BIGINT NOT NULL, used_at BIGINT
);
CREATE UNIQUE INDEX client_uuid ON client (tenant, uuid);
CREATE UNIQUE INDEX client_name ON client (tenant, name_folded);
CREATE INDEX client_of_everywhere ON client (uuid);

CREATE TABLE session (
  tenant BIGINT NOT NULL, id TEXT COLLATE "C" NOT NULL, kind TEXT COLLATE "C" NOT NULL, subject TEXT COLLATE "C" NOT NULL, name TEXT COLLATE "C" NOT NULL, role TEXT COLLATE "C" NOT NULL,
  created_at BIGINT NOT NULL, expires_at BIGINT NOT NULL, ended_at BIGINT,
  PRIMARY KEY (tenant, id)
);
CREATE INDEX session_of_subject ON session (tenant, subject);
CREATE INDEX session_age ON session (expires_at);

CREATE TABLE audit (
  id BIGINT PRIMARY KEY, tenant BIGINT NOT NULL, at BIGINT NOT NULL, actor_kind TEXT COLLATE "C" NOT NULL, actor TEXT COLLATE "C" NOT NULL, action TEXT COLLATE "C" NOT NULL,
  object_kind TEXT COLLATE "C" NOT NULL, object TEXT COLLATE "C" NOT NULL, detail TEXT COLLATE "C" NOT NULL, request TEXT COLLATE "C" NOT NULL
);
CREATE INDEX audit_of_tenant ON audit (tenant, id);

-- A map of one's own: a locked default, cloned, with its versions.
CREATE TABLE own_map (
  id BIGINT PRIMARY KEY, tenant BIGINT NOT NULL, uuid TEXT COLLATE "C" NOT NULL, type TEXT COLLATE "C" NOT NULL, stream TEXT COLLATE "C" NOT NULL, name TEXT COLLATE "C" NOT NULL,
  name_folded TEXT COLLATE "C" NOT NULL, version BIGINT NOT NULL, created_at BIGINT NOT NULL, updated_at BIGINT NOT NULL
);
CREATE UNIQUE INDEX own_map_uuid ON own_map (tenant, uuid);
CREATE UNIQUE INDEX own_map_name ON own_map (tenant, type, stream, name_folded);
CREATE TABLE own_map_version (
  map BIGINT NOT NULL, version BIGINT NOT NULL, text TEXT COLLATE "C" NOT NULL, at BIGINT NOT NULL, author TEXT COLLATE "C" NOT NULL, PRIMARY KEY (map, version)
);

-- Agents: processes near a source, which read it for the hub (docs/adr/0013). Of a profile, the newest session counts.
CREATE TABLE agent (
  tenant BIGINT NOT NULL, profile BIGINT NOT NULL, connector BIGINT NOT NULL, session TEXT COLLATE "C" NOT NULL, subject_kind TEXT COLLATE "C" NOT NULL,
  subject TEXT COLLATE "C" NOT NULL, subject_name TEXT COLLATE "C" NOT NULL, host TEXT COLLATE "C" NOT NULL, version TEXT COLLATE "C" NOT NULL, cron TEXT COLLATE "C", time_zone TEXT COLLATE "C" NOT NULL,
  began_at BIGINT NOT NULL, seen_at BIGINT NOT NULL, revision TEXT COLLATE "C" NOT NULL, report TEXT COLLATE "C" NOT NULL, lines TEXT COLLATE "C" NOT NULL,
  PRIMARY KEY (tenant, profile)
);

-- Who may read a connector as its agent.
CREATE TABLE agent_binding (
  id BIGINT PRIMARY KEY, tenant BIGINT NOT NULL, uuid TEXT COLLATE "C" NOT NULL, connector BIGINT NOT NULL, subject_kind TEXT COLLATE "C" NOT NULL,
  subject TEXT COLLATE "C" NOT NULL, subject_name TEXT COLLATE "C" NOT NULL, created_at BIGINT NOT NULL, revoked_at BIGINT
);
CREATE UNIQUE INDEX agent_binding_uuid ON agent_binding (tenant, uuid);
CREATE UNIQUE INDEX agent_binding_subject ON agent_binding (tenant, connector, subject_kind, subject);

-- Tokens that each make one agent a credential of its own.
CREATE TABLE agent_enrolment (
  tenant BIGINT NOT NULL, hash TEXT COLLATE "C" NOT NULL, connector BIGINT NOT NULL, created_at BIGINT NOT NULL, expires_at BIGINT NOT NULL, used_at BIGINT,
  PRIMARY KEY (tenant, hash)
);
CREATE INDEX agent_enrolment_everywhere ON agent_enrolment (hash);

-- One call of a connector that its agent is to make, and what it has sent of it.
CREATE TABLE agent_order (
  id BIGINT PRIMARY KEY, tenant BIGINT NOT NULL, connector BIGINT NOT NULL, profile BIGINT, job BIGINT NOT NULL, task TEXT COLLATE "C" NOT NULL,
  map BIGINT, known BIGINT NOT NULL, state TEXT COLLATE "C" NOT NULL, have BIGINT NOT NULL, taken BIGINT NOT NULL
);
CREATE INDEX agent_order_of_job ON agent_order (tenant, job, id);
CREATE INDEX agent_order_open ON agent_order (tenant, connector, id) WHERE state = 'open';
CREATE TABLE agent_parcel (
  tenant BIGINT NOT NULL, order_id BIGINT NOT NULL, sequence BIGINT NOT NULL, body BYTEA NOT NULL, PRIMARY KEY (tenant, order_id, sequence)
);
