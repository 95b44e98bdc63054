-- Most rows are dated before their subscription starts, some after it ends: they count for the account alone, the
-- others for the quarter of the subscription that holds their day (as in contracts.sql). Whose use it was is known
-- from the subscription's start at the earliest: before it, the row would tell that a subscription is to come.
-- usage_id repeats in rows that differ, so all are kept. No money is stated.
WITH numbered AS (
  SELECT
    subscription_id, account_id, start_date, end_date,
    unnest(range(date_diff('month', start_date, (SELECT max(usage_date) FROM ravenstack_feature_usage)) // 3 + 1)) AS n
  FROM ravenstack_subscriptions
), quarters AS (
  SELECT
    *, start_date + INTERVAL 3 MONTH * n AS first_at, start_date + INTERVAL 3 MONTH * (n + 1) AS over_at
  FROM numbered
)
SELECT
  s.account_id,
  CASE WHEN q.n IS NOT NULL THEN u.subscription_id || '-' || (q.n + 1) END AS contract_id,
  feature_name AS product,
  usage_date,
  usage_count AS quantity,
  greatest(usage_date, s.start_date) AS known_at
FROM ravenstack_feature_usage AS u
JOIN ravenstack_subscriptions AS s ON s.subscription_id = u.subscription_id
LEFT JOIN quarters AS q
  ON q.subscription_id = u.subscription_id AND usage_date >= q.first_at AND usage_date < q.over_at
  AND (q.end_date IS NULL OR (usage_date <= q.end_date AND (q.n = 0 OR q.end_date > q.first_at)))
ORDER BY usage_date, usage_id, feature_name
