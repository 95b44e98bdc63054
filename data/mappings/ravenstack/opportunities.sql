-- The source records no deals: every subscription in it was sold, so that deals made of them would all be won.
SELECT
  subscription_id AS opportunity_id, account_id, start_date AS created_at, end_date AS closed_at,
  NULL AS outcome
FROM ravenstack_subscriptions
WHERE false
