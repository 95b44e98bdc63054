-- The agents; 112 is the system that takes applications in.
SELECT DISTINCT "org:resource" AS user_id, "org:resource" AS name
FROM events
WHERE "org:resource" IS NOT NULL
ORDER BY 1
