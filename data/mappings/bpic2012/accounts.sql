-- Applicants are anonymous: each application stands for a customer of its own, known from its registration.
SELECT
  'applicant-' || "case:concept:name" AS account_id,
  min("case:REG_DATE") AS created_at
FROM events
GROUP BY "case:concept:name"
