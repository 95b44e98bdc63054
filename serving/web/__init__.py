"""What every request passes: limits, checks, headers, a log line; and how errors become answers."""
