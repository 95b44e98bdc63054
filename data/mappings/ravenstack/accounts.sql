-- plan_tier, seats, is_trial and churn_flag are states at export and are not mapped; churn_flag also contradicts
-- the subscriptions.
SELECT
  account_id, account_name AS name, industry, country AS region,
  signup_date AS created_at, signup_date AS known_at,
  referral_source AS x_referral_source
FROM ravenstack_accounts
ORDER BY account_id
