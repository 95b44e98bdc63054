-- The agent who completed the work item; the numbering is that of activities.
WITH done AS (
  SELECT
    "case:concept:name" AS application, "org:resource" AS agent,
    row_number() OVER (
      PARTITION BY "case:concept:name" ORDER BY "time:timestamp", "concept:name", "org:resource"
    ) AS n
  FROM events
  WHERE "concept:name" LIKE 'W\_%' ESCAPE '\' AND "lifecycle:transition" = 'COMPLETE'
)
SELECT application || '-' || n AS activity_id, agent AS user_id, true AS attended
FROM done
WHERE agent IS NOT NULL
ORDER BY application, n
