-- The device's own time and bytes, beside each reading that has them. Looked up only where a query asks for them.

DROP VIEW readings;

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
  r.id AS id,
  (SELECT strftime('%Y-%m-%dT%H:%M:%fZ', t.device_ms / 1000.0, 'unixepoch')
    FROM reading_device_time t WHERE t.reading = r.id AND typeof(t.device_ms) = 'integer') AS device_utc,
  (SELECT t.device_ms FROM reading_device_time t WHERE t.reading = r.id) AS device_ms,
  (SELECT t.sequence FROM reading_device_time t WHERE t.reading = r.id) AS device_sequence,
  (SELECT t.flags FROM reading_device_time t WHERE t.reading = r.id) AS device_flags,
  (SELECT lower(hex(w.bytes)) FROM reading_raw w WHERE w.reading = r.id) AS raw
FROM block b                            -- outside, so that a condition on it (sealed_ms) spares reading the rest
CROSS JOIN reading r ON r.id BETWEEN b.id * 4096 AND b.id * 4096 + 4095
JOIN point p ON p.id = r.point
JOIN device d ON d.id = p.device
JOIN gateway g ON g.id = b.gateway;
