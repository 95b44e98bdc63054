-- An application closes with the first event that states its outcome: approved, registered and activated
-- come within a second of each other and mean won; declined and cancelled mean lost.
-- The owner comes from the events (opportunity_changes). Nothing is taken from the file of derived cases.
WITH outcomes AS (
  SELECT
    "case:concept:name" AS application,
    min("time:timestamp") AS closed_at,
    arg_min("concept:name", "time:timestamp") AS event
  FROM events
  WHERE "concept:name" IN ('A_APPROVED', 'A_REGISTERED', 'A_ACTIVATED', 'A_DECLINED', 'A_CANCELLED')
  GROUP BY 1
), applications AS (
  SELECT "case:concept:name" AS application, min("case:REG_DATE") AS created_at
  FROM events
  GROUP BY 1
)
SELECT
  application AS opportunity_id,
  'applicant-' || application AS account_id,
  'new' AS type,
  'EUR' AS currency,
  created_at,
  closed_at,
  CASE WHEN event IN ('A_DECLINED', 'A_CANCELLED') THEN 'lost' WHEN event IS NOT NULL THEN 'won' END AS outcome,
  CASE event WHEN 'A_DECLINED' THEN 'declined' WHEN 'A_CANCELLED' THEN 'cancelled' END AS loss_reason
FROM applications LEFT JOIN outcomes USING (application)
ORDER BY application
