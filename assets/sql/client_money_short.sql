-- Currencies whose bank balance is less than the money received for others.
SELECT * FROM mart_safeguarding WHERE business_date = $day AND cover_minor < 0
