-- The requested amount is known from registration and never changes.
-- Stages: each application (A_) and offer (O_) event is the stage it names, the latest one counting. Left out
-- are the events that state the outcome, and O_ACCEPTED and O_DECLINED, which fall on the same instant.
-- O_CANCELLED stays: half of them make room for a new offer, days before any outcome.
-- Owner: the agent of an event, wherever it differs from the agent before.
-- x_work_scheduled: the work item put into the queue last.
WITH agents AS (
  SELECT
    "case:concept:name" AS application, "time:timestamp" AS noted_at, "org:resource" AS agent,
    lag("org:resource") OVER (
      PARTITION BY "case:concept:name"
      ORDER BY "time:timestamp", "concept:name", "lifecycle:transition", "org:resource"
    ) AS agent_before
  FROM events
  WHERE "org:resource" IS NOT NULL
), changes AS (
  SELECT "case:concept:name" AS opportunity_id, 'amount' AS field, NULL AS old_value,
    CAST(min("case:AMOUNT_REQ") AS VARCHAR) AS new_value, min("case:REG_DATE") AS changed_at
  FROM events
  GROUP BY 1
  UNION ALL
  SELECT "case:concept:name", 'stage', NULL, "concept:name", "time:timestamp"
  FROM events
  WHERE "concept:name" LIKE 'A\_%' ESCAPE '\' AND "concept:name" NOT IN
    ('A_APPROVED', 'A_REGISTERED', 'A_ACTIVATED', 'A_DECLINED', 'A_CANCELLED')
  UNION ALL
  SELECT "case:concept:name", 'stage', NULL, "concept:name", "time:timestamp"
  FROM events
  WHERE "concept:name" LIKE 'O\_%' ESCAPE '\' AND "concept:name" NOT IN ('O_ACCEPTED', 'O_DECLINED')
  UNION ALL
  SELECT application, 'owner', CAST(agent_before AS VARCHAR), CAST(agent AS VARCHAR), noted_at
  FROM agents
  WHERE agent IS DISTINCT FROM agent_before
  UNION ALL
  SELECT "case:concept:name", 'x_work_scheduled', NULL, "concept:name", "time:timestamp"
  FROM events
  WHERE "concept:name" LIKE 'W\_%' ESCAPE '\' AND "lifecycle:transition" = 'SCHEDULE'
)
SELECT * FROM changes
ORDER BY opportunity_id, changed_at, field, new_value
