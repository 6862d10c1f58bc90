-- Two keys and one, averages, a filter, and windows of two lengths, neither of which divides a Lambda window
-- of three seconds.
CREATE OR REPLACE STREAM "PER_UNICORN" (
  "Site"       VARCHAR(20),
  "Name"       VARCHAR(80),
  "WindowEnd"  TIMESTAMP,
  "Readings"   INTEGER,
  "Distance"   DOUBLE,
  "Magic"      DECIMAL(10,3),
  "Health"     INTEGER
);
CREATE OR REPLACE PUMP "PER_UNICORN_PUMP" AS
  INSERT INTO "PER_UNICORN"
    SELECT STREAM "Site", "Name", ROWTIME, COUNT(*), SUM("Distance"), AVG("MagicPoints"),
                  MAX("HealthPoints")
    FROM "SOURCE_SQL_STREAM_001"
    WHERE "HealthPoints" >= 90 AND ("Site" IS NULL OR "Site" <> 'Rome')
    GROUP BY "Site", "Name", STEP("SOURCE_SQL_STREAM_001".ROWTIME BY INTERVAL '2' SECOND);

CREATE OR REPLACE STREAM "PER_SITE" (
  "Site"       VARCHAR(20),
  "WindowEnd"  TIMESTAMP,
  "Readings"   INTEGER,
  "WithMagic"  INTEGER,
  "Distance"   DOUBLE,
  "Quotient"   INTEGER
);
-- A reading with 100 magic points has no quotient, so this pump rejects it. The other one counts it.
CREATE OR REPLACE PUMP "PER_SITE_PUMP" AS
  INSERT INTO "PER_SITE" ("Site", "WindowEnd", "Readings", "WithMagic", "Distance", "Quotient")
    SELECT STREAM "Site", ROWTIME, COUNT(*), COUNT("MagicPoints"), AVG("Distance"),
                  SUM(1000 / ("MagicPoints" - 100))
    FROM "SOURCE_SQL_STREAM_001"
    GROUP BY "Site", STEP("SOURCE_SQL_STREAM_001".ROWTIME BY INTERVAL '10' SECOND)
    HAVING COUNT(*) > 1;
