-- How many visitors each site has per minute: a visitor counts once, however many pages they view.
CREATE OR REPLACE STREAM "VISITORS" (
    "site"      VARCHAR(20),
    "minute"    TIMESTAMP,
    "visitors"  INTEGER
);

CREATE OR REPLACE PUMP "VISITOR_PUMP" AS
INSERT INTO "VISITORS"
SELECT STREAM d."site", d."minute", COUNT(*) AS "visitors"
FROM (
    SELECT STREAM DISTINCT
        "site",
        "visitor",
        STEP(s.ROWTIME BY INTERVAL '60' SECOND) AS "minute"
    FROM "SOURCE_SQL_STREAM_001" AS s
    WHERE "status" < 400
) AS d
GROUP BY d."site", d."minute";
