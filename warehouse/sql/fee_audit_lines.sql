-- grain: one line of the day that was billed otherwise than its contract says
-- inputs: fee_audit_rows (temporary)
-- owner: finance
SELECT * FROM fee_audit_rows WHERE finding <> 'agreed'
