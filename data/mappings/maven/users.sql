-- Agents and their managers, by name.
SELECT sales_agent AS user_id, sales_agent AS name, manager AS manager_id FROM sales_teams
UNION ALL
SELECT DISTINCT manager, manager, NULL FROM sales_teams
ORDER BY user_id
