-- The registry of router extensions for PostgreSQL 14 or newer: tables, indexes, guards, comments, six initial rows.
--
--     psql -v ON_ERROR_STOP=1 -f sql/011_extensions_registry.sql 'postgresql://owner@host/database'
--
-- Written by `router-control migrate --sql` from the migrations that `ringback db upgrade` runs; edit those instead.
-- Apply it as often as you like: each step asks alembic_version_router whether it is its turn, so a second time does
-- nothing, and rows that were edited or deleted since stay so. It is all or nothing, waits for an upgrade that is
-- running, and ends with an error where other tables have these names.
--
-- It needs none of Ringback's other tables, and makes none: the registrar's, access keys and the outbox of events come
-- by `ringback db upgrade`, before it or after it, which takes what stands here for its own.
-- Tables are made in the first schema of search_path and belong to whoever applies it. The user that Ringback runs as
-- should be another one: docs/servers.md has its GRANTs.

BEGIN;
SET LOCAL client_min_messages = warning;

DO $turn$ BEGIN PERFORM 1 FROM pg_advisory_xact_lock(hashtextextended('ringback.' || current_schema(), 0)); END $turn$;

CREATE TABLE IF NOT EXISTS alembic_version_router (version_num varchar(255) CONSTRAINT alembic_version_router_pkc PRIMARY KEY);

-- The registry of router extensions: records, revisions, audit, health, policies, nodes, and its head.
DO $step$ BEGIN
IF (SELECT max(version_num) FROM alembic_version_router) IS NULL THEN

CREATE TABLE extensions (
    id VARCHAR(255) NOT NULL,
    type VARCHAR(50) NOT NULL,
    subject VARCHAR(255) NOT NULL,
    timeout_ms INTEGER DEFAULT 5000 NOT NULL,
    retry INTEGER DEFAULT 1 NOT NULL,
    enabled BOOLEAN DEFAULT true NOT NULL,
    config JSONB DEFAULT '{}' NOT NULL,
    metadata JSONB DEFAULT '{}' NOT NULL,
    share_subject BOOLEAN DEFAULT false NOT NULL,
    subject_key VARCHAR(255) GENERATED ALWAYS AS (CASE WHEN enabled AND deleted_at IS NULL AND NOT share_subject THEN subject END) STORED,
    breaker_override VARCHAR(8),
    revision BIGINT DEFAULT 1 NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT CURRENT_TIMESTAMP NOT NULL,
    created_by VARCHAR(255),
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT CURRENT_TIMESTAMP NOT NULL,
    updated_by VARCHAR(255),
    deleted_at TIMESTAMP WITH TIME ZONE,
    PRIMARY KEY (id),
    CONSTRAINT ck_extensions_type CHECK (type IN ('pre', 'validator', 'post', 'provider')),
    CONSTRAINT ck_extensions_timeout_ms CHECK (timeout_ms BETWEEN 10 AND CASE WHEN type = 'provider' THEN 300000 ELSE 5000 END),
    CONSTRAINT ck_extensions_retry CHECK (retry BETWEEN 0 AND CASE WHEN type = 'provider' THEN 5 ELSE 3 END),
    CONSTRAINT ck_extensions_breaker_override CHECK (breaker_override IN ('open', 'closed'))
);

CREATE UNIQUE INDEX ux_extensions_subject_key ON extensions (subject_key);

CREATE INDEX idx_extensions_type ON extensions (type, enabled, id);

CREATE INDEX idx_extensions_subject ON extensions (subject);

CREATE INDEX idx_extensions_updated_at ON extensions (updated_at);

CREATE TABLE extension_audit_log (
    id BIGINT NOT NULL,
    entity VARCHAR(16) NOT NULL,
    extension_id VARCHAR(511) NOT NULL,
    action VARCHAR(32) NOT NULL,
    changed_by VARCHAR(255) NOT NULL,
    source VARCHAR(16) NOT NULL,
    request_id VARCHAR(255),
    registry_revision BIGINT NOT NULL,
    old_values TEXT,
    new_values TEXT,
    timestamp TIMESTAMP WITH TIME ZONE NOT NULL,
    prev_hash CHAR(64) NOT NULL,
    hash CHAR(64) NOT NULL,
    PRIMARY KEY (id)
);

CREATE INDEX idx_audit_extension_id ON extension_audit_log (extension_id, id);

CREATE INDEX idx_audit_timestamp ON extension_audit_log (timestamp);

CREATE OR REPLACE FUNCTION extension_audit_log_refuse() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'extension_audit_log is append-only'; END $$;

CREATE OR REPLACE TRIGGER extension_audit_log_row BEFORE UPDATE OR DELETE ON extension_audit_log
FOR EACH ROW EXECUTE FUNCTION extension_audit_log_refuse();

CREATE OR REPLACE TRIGGER extension_audit_log_truncate BEFORE TRUNCATE ON extension_audit_log
FOR EACH STATEMENT EXECUTE FUNCTION extension_audit_log_refuse();

CREATE TABLE extension_health (
    extension_id VARCHAR(255) NOT NULL,
    node_id VARCHAR(255) DEFAULT '' NOT NULL,
    success_count BIGINT DEFAULT 0 NOT NULL,
    failure_count BIGINT DEFAULT 0 NOT NULL,
    avg_latency_ms DOUBLE PRECISION,
    window_success BIGINT DEFAULT 0 NOT NULL,
    window_failure BIGINT DEFAULT 0 NOT NULL,
    p50_latency_ms DOUBLE PRECISION,
    p95_latency_ms DOUBLE PRECISION,
    p99_latency_ms DOUBLE PRECISION,
    last_latency_ms DOUBLE PRECISION,
    latency_samples BIGINT DEFAULT 0 NOT NULL,
    histogram JSONB DEFAULT '{}' NOT NULL,
    last_success TIMESTAMP WITH TIME ZONE,
    last_failure TIMESTAMP WITH TIME ZONE,
    circuit_breaker_state VARCHAR(16),
    circuit_breaker_opened_at TIMESTAMP WITH TIME ZONE,
    circuit_breaker_reason VARCHAR(32),
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT CURRENT_TIMESTAMP NOT NULL,
    PRIMARY KEY (extension_id, node_id),
    FOREIGN KEY(extension_id) REFERENCES extensions (id) ON DELETE CASCADE
);

CREATE TABLE extension_revisions (
    extension_id VARCHAR(255) NOT NULL,
    revision BIGINT NOT NULL,
    registry_revision BIGINT NOT NULL,
    action VARCHAR(32) NOT NULL,
    document TEXT NOT NULL,
    checksum CHAR(64) NOT NULL,
    comment TEXT,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    created_by VARCHAR(255) NOT NULL,
    PRIMARY KEY (extension_id, revision)
);

CREATE INDEX idx_extension_revisions_registry_revision ON extension_revisions (registry_revision);

CREATE TABLE registry_revision (
    id INTEGER NOT NULL,
    revision BIGINT NOT NULL,
    checksum CHAR(64) NOT NULL,
    audit_id BIGINT NOT NULL,
    audit_hash CHAR(64) NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT CURRENT_TIMESTAMP NOT NULL,
    PRIMARY KEY (id),
    CONSTRAINT ck_registry_revision_id CHECK (id = 1)
);

INSERT INTO registry_revision (id, revision, checksum, audit_id, audit_hash)
SELECT 1, 0, '0000000000000000000000000000000000000000000000000000000000000000', 0, '0000000000000000000000000000000000000000000000000000000000000000' WHERE NOT EXISTS (SELECT 1 FROM registry_revision);

CREATE TABLE router_policies (
    customer_id VARCHAR(64) NOT NULL,
    policy_id VARCHAR(255) NOT NULL,
    document JSONB DEFAULT '{}' NOT NULL,
    purpose VARCHAR(32),
    enabled BOOLEAN DEFAULT true NOT NULL,
    revision BIGINT DEFAULT 1 NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT CURRENT_TIMESTAMP NOT NULL,
    created_by VARCHAR(255),
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT CURRENT_TIMESTAMP NOT NULL,
    updated_by VARCHAR(255),
    deleted_at TIMESTAMP WITH TIME ZONE,
    PRIMARY KEY (customer_id, policy_id)
);

CREATE TABLE router_nodes (
    node_id VARCHAR(255) NOT NULL,
    applied_revision BIGINT NOT NULL,
    checksum CHAR(64) NOT NULL,
    source VARCHAR(16) NOT NULL,
    nack JSONB,
    last_seen TIMESTAMP WITH TIME ZONE NOT NULL,
    PRIMARY KEY (node_id)
);

COMMENT ON TABLE extensions IS 'Router extensions: outside processors of a request';

COMMENT ON COLUMN extensions.type IS 'pre, validator, post or provider';

COMMENT ON COLUMN extensions.subject IS 'The NATS subject it is reached on';

COMMENT ON COLUMN extensions.config IS 'What it is told with each request: a JSON object, secrets by reference only';

COMMENT ON COLUMN extensions.metadata IS 'What people and the router know of it: a JSON object';

INSERT INTO alembic_version_router VALUES ('registry_create_tables');

END IF;
END $step$;

-- The six router extensions that everybody gets; edits and deletions made since are kept.
DO $step$ BEGIN
IF (SELECT max(version_num) FROM alembic_version_router) = 'registry_create_tables' THEN

INSERT INTO extensions (id, type, subject, timeout_ms, retry, config, created_by, updated_by)
SELECT 'mock_provider', 'provider', 'beamline.provider.mock.v1', 1000, 0, '{"mode":"echo","latency_ms":50}', 'system:initial', 'system:initial'
WHERE NOT EXISTS (SELECT 1 FROM extensions WHERE id = 'mock_provider')
AND NOT EXISTS (SELECT 1 FROM extension_revisions WHERE extension_id = 'mock_provider');

INSERT INTO extensions (id, type, subject, timeout_ms, retry, config, created_by, updated_by)
SELECT 'openai_gpt4', 'provider', 'beamline.provider.openai_gpt4.v1', 30000, 2, '{"model":"gpt-4","max_tokens":2048}', 'system:initial', 'system:initial'
WHERE NOT EXISTS (SELECT 1 FROM extensions WHERE id = 'openai_gpt4')
AND NOT EXISTS (SELECT 1 FROM extension_revisions WHERE extension_id = 'openai_gpt4');

INSERT INTO extensions (id, type, subject, timeout_ms, retry, config, created_by, updated_by)
SELECT 'anthropic_claude', 'provider', 'beamline.provider.anthropic_claude.v1', 30000, 2, '{"model":"claude-3-opus-20240229","max_tokens":4096}', 'system:initial', 'system:initial'
WHERE NOT EXISTS (SELECT 1 FROM extensions WHERE id = 'anthropic_claude')
AND NOT EXISTS (SELECT 1 FROM extension_revisions WHERE extension_id = 'anthropic_claude');

INSERT INTO extensions (id, type, subject, timeout_ms, retry, config, created_by, updated_by)
SELECT 'normalize_text', 'pre', 'beamline.ext.pre.normalize_text.v1', 100, 0, '{"lowercase":true,"trim_whitespace":true}', 'system:initial', 'system:initial'
WHERE NOT EXISTS (SELECT 1 FROM extensions WHERE id = 'normalize_text')
AND NOT EXISTS (SELECT 1 FROM extension_revisions WHERE extension_id = 'normalize_text');

INSERT INTO extensions (id, type, subject, timeout_ms, retry, config, created_by, updated_by)
SELECT 'pii_guard', 'validator', 'beamline.ext.validate.pii_guard.v1', 200, 1, '{"patterns":["credit_card","ssn","email"],"block_on_match":true}', 'system:initial', 'system:initial'
WHERE NOT EXISTS (SELECT 1 FROM extensions WHERE id = 'pii_guard')
AND NOT EXISTS (SELECT 1 FROM extension_revisions WHERE extension_id = 'pii_guard');

INSERT INTO extensions (id, type, subject, timeout_ms, retry, config, created_by, updated_by)
SELECT 'mask_sensitive_data', 'post', 'beamline.ext.post.mask_pii.v1', 100, 0, '{"mask_patterns":["email","phone"]}', 'system:initial', 'system:initial'
WHERE NOT EXISTS (SELECT 1 FROM extensions WHERE id = 'mask_sensitive_data')
AND NOT EXISTS (SELECT 1 FROM extension_revisions WHERE extension_id = 'mask_sensitive_data');

UPDATE alembic_version_router SET version_num = 'extensions_insert_initial_rows';

END IF;
END $step$;

-- Policies: at which registry revision each changed last, and what a call needs of it.
DO $step$ BEGIN
IF (SELECT max(version_num) FROM alembic_version_router) = 'extensions_insert_initial_rows' THEN

ALTER TABLE router_policies ADD COLUMN registry_revision BIGINT DEFAULT 0 NOT NULL;

ALTER TABLE router_policies ADD COLUMN fails VARCHAR(8);

ALTER TABLE router_policies ADD COLUMN deadline_ms INTEGER;

CREATE INDEX idx_router_policies_registry_revision ON router_policies (registry_revision);

UPDATE alembic_version_router SET version_num = 'policies_add_columns';

END IF;
END $step$;

-- Which policy calls to a customer's direct addresses go through: Asterisk's dialplan and call-manager read it.
DO $step$ BEGIN
IF (SELECT max(version_num) FROM alembic_version_router) = 'policies_add_columns' THEN

CREATE VIEW ringback_screens AS
SELECT p.customer_id AS customer, p.policy_id AS policy,
    CASE WHEN p.fails IS NULL THEN 'closed' ELSE p.fails END AS fails,
    CASE WHEN p.deadline_ms IS NULL THEN 500 ELSE p.deadline_ms END AS deadline_ms
FROM router_policies p
WHERE p.purpose = 'direct_call' AND p.enabled = TRUE AND p.deleted_at IS NULL;

UPDATE alembic_version_router SET version_num = 'ringback_screens_create_view';

END IF;
END $step$;

DO $known$ BEGIN
IF (SELECT max(version_num) FROM alembic_version_router) <> 'ringback_screens_create_view' THEN
    RAISE EXCEPTION 'the schema of the router is at %, which this file does not know',
        (SELECT max(version_num) FROM alembic_version_router);
END IF;
END $known$;

COMMIT;
