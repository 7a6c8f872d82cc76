-- Outbox and archive of one gateway: the blocks it sealed, in chain order, and how far each destination receipted.
-- A block is here once; whether it is 'pending' or 'archived' follows from the receipts, no row is moved or changed.

CREATE TABLE block (
  seq INTEGER PRIMARY KEY,         -- epoch * 2^40 + number: chain order, and no number can be stored twice
  first_reading INTEGER NOT NULL,  -- reading number of its first reading, of the next one if it holds none
  readings INTEGER NOT NULL,
  keep INTEGER NOT NULL,           -- 1: carries event 3, 5 or 7, so it is never pruned nor dropped
  ordinal INTEGER NOT NULL,        -- blocks sealed up to and with this one, over the gateway's life
  end_bytes INTEGER NOT NULL,      -- bytes of message sealed up to and with this one, over the gateway's life
  lived_s INTEGER NOT NULL,        -- seconds the gateway has run, over its life: ages the archive without trusting UTC
  head BLOB NOT NULL,
  message BLOB NOT NULL            -- as signed, sent and verified
) STRICT;

CREATE INDEX block_kept ON block (seq) WHERE keep = 1;

CREATE TABLE destination (
  kid BLOB PRIMARY KEY,            -- first 8 bytes of SHA-256 over its receipt key
  from_seq INTEGER NOT NULL,       -- the first block it is offered
  receipted_seq INTEGER NOT NULL,  -- the last block it receipted, from_seq - 1 before its first receipt,
                                   -- -2 when it is no destination any more
  marked_seq INTEGER               -- the highest receipt that stands in a block (key 10, never going back)
) STRICT, WITHOUT ROWID;

CREATE TABLE state (
  key TEXT PRIMARY KEY,
  value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
