SELECT stage, position
FROM (VALUES ('Lead', 1), ('Qualified Lead', 2), ('Opportunity', 3), ('Negotiation', 4)) AS stages (stage, position)
