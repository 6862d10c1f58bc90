-- A filter: a reading that is out of range becomes an alarm as soon as it arrives.
CREATE OR REPLACE STREAM "OUT_OF_RANGE" (
    "machine"  VARCHAR(80),
    "site"     VARCHAR(20),
    "why"      VARCHAR(8),
    "measured" DOUBLE,
    "seen"     TIMESTAMP
);

CREATE OR REPLACE PUMP "HEAT_PUMP" AS
INSERT INTO "OUT_OF_RANGE"
SELECT STREAM "machine", "site", 'heat', "celsius", ROWTIME
FROM "SOURCE_SQL_STREAM_001"
WHERE "celsius" > 40;

CREATE OR REPLACE PUMP "PRESSURE_PUMP" AS
INSERT INTO "OUT_OF_RANGE"
SELECT STREAM "machine", "site", 'pressure', "bar", ROWTIME
FROM "SOURCE_SQL_STREAM_001"
WHERE "bar" NOT BETWEEN 90 AND 160;

-- OUT_OF_RANGE is only a step, since a pump reads it. The rows of ALARMS are written.
CREATE OR REPLACE STREAM "ALARMS" (
    "machine"  VARCHAR(80),
    "site"     VARCHAR(20),
    "why"      VARCHAR(8),
    "level"    VARCHAR(8),
    "measured" DECIMAL(9,3),
    "seen"     TIMESTAMP
);

CREATE OR REPLACE PUMP "ALARM_PUMP" AS
INSERT INTO "ALARMS"
SELECT STREAM
    "machine",
    COALESCE("site", 'unknown'),
    "why",
    CASE WHEN "why" = 'heat' AND "measured" > 55 THEN 'critical' ELSE 'warning' END,
    "measured",
    "seen"
FROM "OUT_OF_RANGE";
