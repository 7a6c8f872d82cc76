-- What a collector keeps. Blocks are the evidence, byte for byte; readings and events are decoded from them and can
-- be made again. People query the views `readings`, `blocks`, `gateways`, `gaps` and `events`: see README.md beside.

CREATE TABLE gateway (
  id INTEGER PRIMARY KEY,
  gateway BLOB NOT NULL UNIQUE CHECK (length(gateway) = 8),
  site TEXT NOT NULL,                  -- name in its trust line
  state BLOB NOT NULL,                 -- end of its chain as the verifier packs it; the row that two collectors agree on
  epoch INTEGER,                       -- of the last chained block, NULL before the first
  number INTEGER,
  forked INTEGER NOT NULL DEFAULT 0,   -- evidence of a second history is kept: no receipts until an operator decides
  blocks INTEGER NOT NULL DEFAULT 0,
  readings INTEGER NOT NULL DEFAULT 0,
  duplicates INTEGER NOT NULL DEFAULT 0,
  refused INTEGER NOT NULL DEFAULT 0,
  unreadable INTEGER NOT NULL DEFAULT 0,
  dropped INTEGER NOT NULL DEFAULT 0,  -- waiting messages over the bounds, asked for again
  detached INTEGER NOT NULL DEFAULT 0,
  detached_bytes INTEGER NOT NULL DEFAULT 0,
  parked INTEGER NOT NULL DEFAULT 0,
  parked_bytes INTEGER NOT NULL DEFAULT 0,
  evidence INTEGER NOT NULL DEFAULT 0,
  evidence_bytes INTEGER NOT NULL DEFAULT 0,
  untimed INTEGER NOT NULL DEFAULT 0,  -- blocks without UTC, for which a later block may bring it
  sure_ms INTEGER,                     -- UTC less its error at the last block that had one
  hole_since_ms INTEGER,               -- since when blocks are missing before those that wait, collector's UTC
  heard_ms INTEGER,                    -- when it was last heard of, collector's UTC
  receipt_epoch INTEGER,               -- last block receipted
  receipt_number INTEGER,
  receipt_ms INTEGER
) STRICT;

CREATE TABLE session (
  gateway INTEGER NOT NULL REFERENCES gateway,
  epoch INTEGER NOT NULL,
  spki BLOB NOT NULL,
  PRIMARY KEY (gateway, epoch)
) STRICT, WITHOUT ROWID;

CREATE TABLE dictionary_add (           -- every dictionary-add of a gateway's life, in order, as it was hashed
  gateway INTEGER NOT NULL REFERENCES gateway,
  ordinal INTEGER NOT NULL,
  body BLOB NOT NULL,
  PRIMARY KEY (gateway, ordinal)
) STRICT, WITHOUT ROWID;

CREATE TABLE device (
  id INTEGER PRIMARY KEY,
  gateway INTEGER NOT NULL REFERENCES gateway,
  position INTEGER NOT NULL,            -- index in the gateway's dictionary
  device BLOB NOT NULL,                 -- random, for the device's life
  name TEXT NOT NULL,
  profile TEXT NOT NULL,
  profile_hash BLOB NOT NULL,
  identity TEXT,
  UNIQUE (gateway, position)
) STRICT;

CREATE TABLE point (
  id INTEGER PRIMARY KEY,
  gateway INTEGER NOT NULL REFERENCES gateway,
  position INTEGER NOT NULL,            -- index in the gateway's dictionary
  device INTEGER NOT NULL REFERENCES device,
  quantity TEXT NOT NULL,
  unit TEXT,                            -- UCUM
  exponent INTEGER NOT NULL,            -- a value that is an integer means value * 10^exponent
  kind INTEGER NOT NULL,                -- 0 gauge, 1 counter, 2 state, 3 event
  class INTEGER NOT NULL,               -- 0 telemetry, 1 billing, 2 alarm
  UNIQUE (gateway, position)
) STRICT;

CREATE TABLE block (                    -- the chain
  id INTEGER PRIMARY KEY,
  gateway INTEGER NOT NULL REFERENCES gateway,
  epoch INTEGER NOT NULL,
  number INTEGER NOT NULL,
  head BLOB NOT NULL,
  first_reading INTEGER NOT NULL,
  readings INTEGER NOT NULL,
  boot BLOB,
  mono_ms INTEGER,                      -- CLOCK_BOOTTIME at sealing; readings count from here
  utc_ms INTEGER,                       -- UTC at mono_ms, NULL while nothing tells it
  error_ms INTEGER NOT NULL DEFAULT 0,  -- bound of its error where it was told
  lag_ms INTEGER NOT NULL DEFAULT 0,    -- from where UTC was told to mono_ms
  later INTEGER NOT NULL DEFAULT 0,     -- 1: told by a later block of the same boot
  clock INTEGER NOT NULL DEFAULT 0,     -- quality of the clock at sealing, 0 to 5
  after_ms INTEGER,                     -- without UTC: not before
  before_ms INTEGER,                    -- without UTC: not after
  received_ms INTEGER NOT NULL,         -- collector's UTC
  unreadable TEXT,                      -- why none of its readings is here
  message BLOB NOT NULL,
  UNIQUE (gateway, epoch, number)
) STRICT;

CREATE INDEX block_untimed ON block (gateway) WHERE utc_ms IS NULL AND before_ms IS NULL;
CREATE INDEX block_utc ON block (utc_ms) WHERE utc_ms IS NOT NULL;

CREATE TABLE reading (
  id INTEGER PRIMARY KEY,               -- block.id * 4096 + row: no reading can be here twice
  point INTEGER NOT NULL,
  offset_ms INTEGER NOT NULL,           -- from block.mono_ms
  value ANY,                            -- integer mantissa, text, bytes; states that are bool: 'true', 'false'
  status INTEGER                        -- OPC UA status code, NULL for plain good
) STRICT;

CREATE TABLE reading_raw (              -- bytes as they came from the device, where its profile keeps them
  reading INTEGER PRIMARY KEY REFERENCES reading,
  bytes BLOB NOT NULL
) STRICT;

CREATE TABLE reading_device_time (
  reading INTEGER PRIMARY KEY REFERENCES reading,
  device_ms ANY,                        -- integers; text where SQLite's are too small
  sequence ANY,
  flags INTEGER NOT NULL                -- 1 historical, 2 device clock unset, 4 substituted
) STRICT;

CREATE TABLE event (
  block INTEGER NOT NULL REFERENCES block,
  row INTEGER NOT NULL,
  kind INTEGER NOT NULL,
  mono_ms INTEGER NOT NULL,
  fields TEXT,                          -- JSON array, bytes as hex; NULL where the body is a table of its own
  PRIMARY KEY (block, row)
) STRICT, WITHOUT ROWID;

CREATE TABLE finding (                  -- what the verifier reports of blocks that it accepted
  id INTEGER PRIMARY KEY,
  block INTEGER NOT NULL REFERENCES block,
  code TEXT NOT NULL,
  value_ms INTEGER NOT NULL,
  from_ms INTEGER,
  to_ms INTEGER
) STRICT;

CREATE TABLE loss (                     -- declared by the gateway itself
  gateway INTEGER NOT NULL REFERENCES gateway,
  first_epoch INTEGER NOT NULL,
  first_number INTEGER NOT NULL,
  until_epoch INTEGER NOT NULL,         -- place of the block at which the chain goes on
  until_number INTEGER NOT NULL,
  first_reading INTEGER NOT NULL,
  until_reading INTEGER NOT NULL,
  reason INTEGER NOT NULL,              -- 1 outbox full, 2 storage damaged, 3 before this destination was added
  PRIMARY KEY (gateway, first_epoch, first_number)
) STRICT, WITHOUT ROWID;

CREATE TABLE detached (                 -- well signed, predecessors missing
  gateway INTEGER NOT NULL REFERENCES gateway,
  epoch INTEGER NOT NULL,
  number INTEGER NOT NULL,
  head BLOB NOT NULL,
  gaps INTEGER NOT NULL,                -- events 4 in it
  message BLOB NOT NULL,
  PRIMARY KEY (gateway, epoch, number)
) STRICT;

CREATE TABLE parked (                   -- nobody can say yet who has to have signed
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  gateway INTEGER NOT NULL REFERENCES gateway,
  epoch INTEGER NOT NULL,
  head BLOB NOT NULL,
  message BLOB NOT NULL,
  UNIQUE (gateway, head)
) STRICT;

CREATE TABLE evidence (                 -- the other side of a fork
  id INTEGER PRIMARY KEY,
  gateway INTEGER NOT NULL REFERENCES gateway,
  epoch INTEGER NOT NULL,
  number INTEGER NOT NULL,
  head BLOB NOT NULL,
  reason TEXT NOT NULL,
  received_ms INTEGER NOT NULL,
  message BLOB NOT NULL,
  UNIQUE (gateway, head)
) STRICT;

CREATE TABLE alarm (                    -- what a person has to look at; repetitions are counted
  gateway INTEGER NOT NULL REFERENCES gateway,
  code TEXT NOT NULL,
  epoch INTEGER NOT NULL,
  number INTEGER NOT NULL,
  first_ms INTEGER NOT NULL,
  last_ms INTEGER NOT NULL,
  times INTEGER NOT NULL DEFAULT 1,
  detail TEXT NOT NULL,
  PRIMARY KEY (gateway, code, epoch, number)
) STRICT, WITHOUT ROWID;

CREATE TABLE quality (
  code INTEGER PRIMARY KEY,
  word TEXT NOT NULL
) STRICT;

CREATE TABLE clock (
  code INTEGER PRIMARY KEY,
  word TEXT NOT NULL
) STRICT;

INSERT INTO clock VALUES
  (0, 'none'), (1, 'saved'), (2, 'hardware'), (3, 'ntp'), (4, 'authenticated'), (5, 'receipt');

CREATE VIEW readings AS
SELECT
  g.site AS site,
  lower(hex(g.gateway)) AS gateway,
  d.name AS device,
  p.quantity AS quantity,
  CASE
    WHEN typeof(r.value) = 'blob' THEN lower(hex(r.value))
    WHEN typeof(r.value) <> 'integer' THEN r.value
    WHEN r.value = 0 AND p.exponent >= 0 THEN '0'
    WHEN p.exponent >= 0 THEN r.value || substr('000000000000000000', 1, p.exponent)
    ELSE (
      SELECT iif(r.value < 0, '-', '') || substr(digits, 1, length(digits) + p.exponent)
        || '.' || substr(digits, length(digits) + p.exponent + 1)
      FROM (
        SELECT substr('0000000000000000000', 1, max(0, 1 - p.exponent - length(bare))) || bare AS digits
        FROM (SELECT ltrim(r.value, '-') AS bare)
      )
    )
  END AS value,
  iif(typeof(r.value) = 'integer', iif(p.exponent < 0,
    r.value / CAST('1e' || -p.exponent AS REAL), r.value * CAST('1e' || p.exponent AS REAL)), NULL) AS number,
  p.unit AS unit,
  strftime('%Y-%m-%dT%H:%M:%fZ', (b.utc_ms + r.offset_ms) / 1000.0, 'unixepoch') AS utc,
  iif(b.utc_ms IS NULL, NULL, b.error_ms + (abs(r.offset_ms + b.lag_ms) + 9999) / 10000) AS error_ms,
  coalesce(r.status, 0) AS quality,
  coalesce((SELECT word FROM quality q WHERE q.code = coalesce(r.status, 0)),
    printf('0x%08X', r.status)) AS quality_word,
  b.epoch || '/' || b.number AS block,
  b.first_reading + (r.id & 4095) AS reading,
  b.utc_ms + r.offset_ms AS utc_ms,
  b.utc_ms AS sealed_ms,
  (SELECT word FROM clock c WHERE c.code = b.clock) || iif(b.later, ', set later', '') AS clock,
  strftime('%Y-%m-%dT%H:%M:%fZ', b.after_ms / 1000.0, 'unixepoch') AS not_before,
  strftime('%Y-%m-%dT%H:%M:%fZ', b.before_ms / 1000.0, 'unixepoch') AS not_after,
  p.exponent AS exponent,
  p.kind AS kind,
  b.id AS block_id,
  r.id AS id
FROM block b                            -- outside, so that a condition on it (sealed_ms) spares reading the rest
CROSS JOIN reading r ON r.id BETWEEN b.id * 4096 AND b.id * 4096 + 4095
JOIN point p ON p.id = r.point
JOIN device d ON d.id = p.device
JOIN gateway g ON g.id = b.gateway;

CREATE VIEW blocks AS
SELECT
  g.site AS site,
  lower(hex(g.gateway)) AS gateway,
  b.epoch || '/' || b.number AS block,
  b.first_reading AS first_reading,
  b.readings AS readings,
  strftime('%Y-%m-%dT%H:%M:%fZ', b.utc_ms / 1000.0, 'unixepoch') AS sealed_utc,
  strftime('%Y-%m-%dT%H:%M:%fZ', b.received_ms / 1000.0, 'unixepoch') AS received_utc,
  (b.epoch, b.number) <= (g.receipt_epoch, g.receipt_number) AS receipted,
  b.unreadable AS unreadable,
  length(b.message) AS bytes,
  lower(hex(b.head)) AS head,
  b.id AS id
FROM block b
JOIN gateway g ON g.id = b.gateway;

CREATE VIEW gaps AS
SELECT
  g.site AS site,
  lower(hex(g.gateway)) AS gateway,
  'declared' AS kind,
  l.first_epoch || '/' || l.first_number AS first_block,
  l.until_epoch || '/' || l.until_number AS next_block,
  l.until_reading - l.first_reading AS readings,
  CASE l.reason WHEN 1 THEN 'outbox full' WHEN 2 THEN 'storage damaged' ELSE 'before this destination' END AS reason,
  NULL AS since_utc
FROM loss l
JOIN gateway g ON g.id = l.gateway
UNION ALL
SELECT
  g.site,
  lower(hex(g.gateway)),
  iif(g.hole_since_ms <= g.heard_ms - 86400000, 'undeclared', 'open'),
  CASE WHEN g.epoch IS NULL THEN '0/0' ELSE g.epoch || '/' || (g.number + 1) END,
  (SELECT w.epoch || '/' || w.number FROM detached w WHERE w.gateway = g.id ORDER BY w.epoch, w.number LIMIT 1),
  NULL,
  'asked for again',
  strftime('%Y-%m-%dT%H:%M:%fZ', g.hole_since_ms / 1000.0, 'unixepoch')
FROM gateway g
WHERE g.hole_since_ms IS NOT NULL;

CREATE VIEW events AS
SELECT
  g.site AS site,
  lower(hex(g.gateway)) AS gateway,
  b.epoch || '/' || b.number AS block,
  e.kind AS kind,
  strftime('%Y-%m-%dT%H:%M:%fZ', (b.utc_ms + e.mono_ms - b.mono_ms) / 1000.0, 'unixepoch') AS utc,
  e.fields AS fields
FROM event e
JOIN block b ON b.id = e.block
JOIN gateway g ON g.id = b.gateway;

CREATE VIEW gateways AS
SELECT
  site,
  lower(hex(gateway)) AS gateway,
  epoch || '/' || number AS last_block,
  receipt_epoch || '/' || receipt_number AS receipted_block,
  blocks, readings, duplicates, refused, unreadable, detached, parked, evidence, dropped,
  forked,
  strftime('%Y-%m-%dT%H:%M:%fZ', heard_ms / 1000.0, 'unixepoch') AS heard_utc,
  hole_since_ms IS NOT NULL AS gap
FROM gateway;
