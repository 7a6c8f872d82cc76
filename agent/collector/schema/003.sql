-- Devices that were exchanged, and counters that did not go on: events 17 and 18 with the names that they are about.

CREATE VIEW exchanges AS
SELECT
  g.site AS site,
  lower(hex(g.gateway)) AS gateway,
  coalesce(n.name, o.name) AS device,
  o.identity AS before,
  n.identity AS now,
  strftime('%Y-%m-%dT%H:%M:%fZ', (b.utc_ms + e.mono_ms - b.mono_ms) / 1000.0, 'unixepoch') AS utc,
  b.epoch || '/' || b.number AS block
FROM event e
JOIN block b ON b.id = e.block
JOIN gateway g ON g.id = b.gateway
LEFT JOIN device o ON o.gateway = g.id AND o.position = json_extract(e.fields, '$[0]')
LEFT JOIN device n ON n.gateway = g.id AND n.position = json_extract(e.fields, '$[1]')
WHERE e.kind = 17;

CREATE VIEW discontinuities AS
SELECT
  g.site AS site,
  lower(hex(g.gateway)) AS gateway,
  d.name AS device,
  p.quantity AS quantity,
  CASE
    WHEN json_extract(e.fields, '$[1]') = 0 AND p.exponent >= 0 THEN '0'
    WHEN p.exponent >= 0 THEN json_extract(e.fields, '$[1]') || substr('000000000000000000', 1, p.exponent)
    ELSE (
      SELECT iif(json_extract(e.fields, '$[1]') < 0, '-', '') || substr(digits, 1, length(digits) + p.exponent)
        || '.' || substr(digits, length(digits) + p.exponent + 1)
      FROM (
        SELECT substr('0000000000000000000', 1, max(0, 1 - p.exponent - length(bare))) || bare AS digits
        FROM (SELECT ltrim(json_extract(e.fields, '$[1]'), '-') AS bare)
      )
    )
  END AS last,
  CASE
    WHEN json_extract(e.fields, '$[2]') = 0 AND p.exponent >= 0 THEN '0'
    WHEN p.exponent >= 0 THEN json_extract(e.fields, '$[2]') || substr('000000000000000000', 1, p.exponent)
    ELSE (
      SELECT iif(json_extract(e.fields, '$[2]') < 0, '-', '') || substr(digits, 1, length(digits) + p.exponent)
        || '.' || substr(digits, length(digits) + p.exponent + 1)
      FROM (
        SELECT substr('0000000000000000000', 1, max(0, 1 - p.exponent - length(bare))) || bare AS digits
        FROM (SELECT ltrim(json_extract(e.fields, '$[2]'), '-') AS bare)
      )
    )
  END AS first,
  p.unit AS unit,
  json_extract(e.fields, '$[3]') AS reason,
  strftime('%Y-%m-%dT%H:%M:%fZ', (b.utc_ms + e.mono_ms - b.mono_ms) / 1000.0, 'unixepoch') AS utc,
  b.epoch || '/' || b.number AS block
FROM event e
JOIN block b ON b.id = e.block
JOIN gateway g ON g.id = b.gateway
JOIN point p ON p.gateway = g.id AND p.position = json_extract(e.fields, '$[0]')
JOIN device d ON d.id = p.device
WHERE e.kind = 18;
