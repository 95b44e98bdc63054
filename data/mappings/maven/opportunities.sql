-- close_value is not mapped: it is filled at the close, with zero for lost deals, and so states the outcome.
-- deal_stage is an end state; it serves as the outcome only, dated by close_date.
-- A deal that is still prospected has no date: it is known from the last day of the data, when it was exported.
SELECT
  opportunity_id,
  account AS account_id,
  sales_agent AS owner_id,
  coalesce(engage_date, (SELECT greatest(max(engage_date), max(close_date)) FROM sales_pipeline)) AS created_at,
  close_date AS closed_at,
  CASE deal_stage WHEN 'Won' THEN 'won' WHEN 'Lost' THEN 'lost' END AS outcome,
  CASE product WHEN 'GTXPro' THEN 'GTX Pro' ELSE product END AS x_product
FROM sales_pipeline
