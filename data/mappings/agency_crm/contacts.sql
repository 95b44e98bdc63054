SELECT
  contact_id, account_id,
  first_name || ' ' || last_name AS name,
  job_title AS title, department,
  CASE
    WHEN job_title LIKE 'Chief%' THEN 'c_level'
    WHEN job_title LIKE 'VP%' THEN 'vp'
    WHEN job_title LIKE '%Director' OR job_title LIKE 'Head of%' THEN 'director'
    WHEN job_title LIKE '%Manager' OR job_title LIKE '%Lead' THEN 'manager'
  END AS seniority,
  created_date AS known_at
FROM crm_contacts
