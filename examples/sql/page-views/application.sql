-- The views of each page per minute, and the ten pages with the most views.
CREATE OR REPLACE STREAM "PAGE_VIEWS" (
    "page"     VARCHAR(80),
    "minute"   TIMESTAMP,
    "views"    INTEGER,
    "average"  DECIMAL(9,1),
    "slowest"  DOUBLE
);

CREATE OR REPLACE PUMP "PAGE_VIEW_PUMP" AS
INSERT INTO "PAGE_VIEWS"
SELECT STREAM
    "page",
    STEP("SOURCE_SQL_STREAM_001".ROWTIME BY INTERVAL '60' SECOND) AS "minute",
    COUNT(*),
    AVG("millis"),
    MAX("millis")
FROM "SOURCE_SQL_STREAM_001"
WHERE "status" < 400
GROUP BY "page", STEP("SOURCE_SQL_STREAM_001".ROWTIME BY INTERVAL '60' SECOND);

CREATE OR REPLACE STREAM "TOP_PAGES" (
    "ITEM"        VARCHAR(80),
    "ITEM_COUNT"  BIGINT
);

CREATE OR REPLACE PUMP "TOP_PAGE_PUMP" AS
INSERT INTO "TOP_PAGES"
SELECT STREAM ITEM, ITEM_COUNT
FROM TABLE(TOP_K_ITEMS_TUMBLING(
    CURSOR(SELECT STREAM * FROM "SOURCE_SQL_STREAM_001" WHERE "status" < 400),
    'page',   -- the column to count
    10,       -- how many of its values to keep
    60        -- the length of the window in seconds
));
