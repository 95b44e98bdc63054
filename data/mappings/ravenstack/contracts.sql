-- No subscription states its term; those billed by the month and by the year end on any day alike. So each is cut
-- into quarters from its start, one contract each: the shortest term that can be judged 60 and 30 days ahead.
-- A quarter is known from its first day. It is churned if the subscription's own end_date lies in it or on its
-- last day, known that day; renewed if it does not, known once the quarter is over; else, at the export's last
-- day, undecided. Nothing of a quarter comes from after it: a later end only ends a later quarter.
-- The churn events and the accounts' churn_flag contradict the subscriptions and are not mapped, nor are the
-- flags of upgrades, downgrades and renewal, which have no date. mrr_amount has no history either: what a renewed
-- quarter was worth is not known. Only refunds name a currency: USD.
WITH export AS (
  SELECT greatest(
    (SELECT max(greatest(start_date, coalesce(end_date, start_date))) FROM ravenstack_subscriptions),
    (SELECT max(usage_date) FROM ravenstack_feature_usage)
  ) AS last_day
), numbered AS (
  SELECT s.*, last_day, unnest(range(date_diff('month', start_date, last_day) // 3 + 1)) AS n
  FROM ravenstack_subscriptions AS s CROSS JOIN export
), quarters AS (
  SELECT
    *, start_date + INTERVAL 3 MONTH * n AS first_at, start_date + INTERVAL 3 MONTH * (n + 1) AS over_at
  FROM numbered
)
SELECT
  subscription_id || '-' || (n + 1) AS contract_id,
  account_id,
  first_at AS start_at,
  over_at AS end_at,
  3 * mrr_amount AS committed_amount,
  'USD' AS currency,
  CASE
    WHEN end_date <= over_at THEN 'churned'
    WHEN over_at <= last_day THEN 'renewed'
  END AS outcome,
  CASE
    WHEN end_date <= over_at THEN end_date
    WHEN over_at <= last_day THEN over_at
  END AS decided_at,
  first_at AS known_at,
  plan_tier AS x_plan_tier, seats AS x_seats, is_trial AS x_is_trial, billing_frequency AS x_billing_frequency
FROM quarters
WHERE first_at <= last_day AND (n = 0 OR end_date IS NULL OR end_date > first_at)
ORDER BY subscription_id, n
