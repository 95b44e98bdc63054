-- No date says since when an account is known: all are from the first day of the data, which tells nothing
-- about any deal.
SELECT
  account AS account_id,
  account AS name,
  CASE sector WHEN 'technolgy' THEN 'technology' ELSE sector END AS industry,
  office_location AS region,
  employees,
  (SELECT min(engage_date) FROM sales_pipeline) AS known_at
FROM accounts
