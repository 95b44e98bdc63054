-- last_activity_date, is_active and account_type are states at export and are not mapped.
SELECT
  account_id, account_name AS name, industry, region,
  number_of_employees AS employees,
  created_date AS created_at, created_date AS known_at
FROM crm_accounts
