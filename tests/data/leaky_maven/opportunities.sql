-- A leak on purpose, for the audit's tests: close_value is filled at the close.
SELECT
  opportunity_id,
  account AS account_id,
  sales_agent AS owner_id,
  coalesce(engage_date, (SELECT greatest(max(engage_date), max(close_date)) FROM sales_pipeline)) AS created_at,
  close_date AS closed_at,
  CASE deal_stage WHEN 'Won' THEN 'won' WHEN 'Lost' THEN 'lost' END AS outcome,
  CASE product WHEN 'GTXPro' THEN 'GTX Pro' ELSE product END AS x_product,
  close_value AS x_close_value
FROM sales_pipeline
