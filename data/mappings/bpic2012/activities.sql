-- A completed work item is an activity, known and dated when it was completed; its length runs from the latest
-- start of the same kind of work in the application. Scheduled items are not activities yet
-- (opportunity_changes, x_work_scheduled). All but validation, fraud checks and changes of contract are calls.
WITH work AS (
  SELECT
    "case:concept:name" AS application, "concept:name" AS work, "time:timestamp" AS noted_at,
    "lifecycle:transition" AS step, "org:resource" AS agent,
    max("time:timestamp") FILTER (WHERE "lifecycle:transition" = 'START') OVER (
      PARTITION BY "case:concept:name", "concept:name" ORDER BY "time:timestamp"
    ) AS started_at
  FROM events
  WHERE "concept:name" LIKE 'W\_%' ESCAPE '\'
), done AS (
  SELECT *, row_number() OVER (PARTITION BY application ORDER BY noted_at, work, agent) AS n
  FROM work
  WHERE step = 'COMPLETE'
)
SELECT
  application || '-' || n AS activity_id,
  application AS opportunity_id,
  'applicant-' || application AS account_id,
  CASE WHEN is_call THEN 'call' ELSE 'other' END AS kind,
  CASE WHEN is_call THEN 'outbound' END AS direction,
  CASE WHEN is_call THEN 'remote' END AS channel,
  noted_at AS occurred_at,
  noted_at AS known_at,
  (epoch(noted_at) - epoch(started_at)) / 60 AS duration_minutes,
  work AS subject
FROM (
  SELECT *, work NOT IN ('W_Valideren aanvraag', 'W_Beoordelen fraude', 'W_Wijzigen contractgegevens') AS is_call
  FROM done
)
ORDER BY application, n
