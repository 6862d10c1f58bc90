-- A window, and two outputs without one. Each record becomes rows of several pumps and outputs.
CREATE OR REPLACE STREAM "PER_UNICORN" ("Name" VARCHAR(80), "Readings" INTEGER, "Distance" DOUBLE);
CREATE OR REPLACE PUMP "PER_UNICORN_PUMP" AS
  INSERT INTO "PER_UNICORN"
    SELECT STREAM "Name", COUNT(*), SUM("Distance")
    FROM "SOURCE_SQL_STREAM_001"
    GROUP BY "Name", STEP("SOURCE_SQL_STREAM_001".ROWTIME BY INTERVAL '2' SECOND);

CREATE OR REPLACE STREAM "ALARMS" (
  "Name"       VARCHAR(20),
  "ArrivedAt"  TIMESTAMP,
  "Why"        VARCHAR(8),
  "Quotient"   SMALLINT,
  "Distance"   DECIMAL(9,3)
);
-- A reading with 100 magic points has no quotient, so this pump rejects it. The others write it.
CREATE OR REPLACE PUMP "MAGIC_PUMP" AS
  INSERT INTO "ALARMS"
    SELECT STREAM "Name", ROWTIME, 'magic', 1000 / ("MagicPoints" - 100), "Distance"
    FROM "SOURCE_SQL_STREAM_001" WHERE "MagicPoints" < 110;
CREATE OR REPLACE PUMP "HEALTH_PUMP" AS
  INSERT INTO "ALARMS" ("Name", "ArrivedAt", "Why")
    SELECT STREAM "Name", ROWTIME, 'health'
    FROM "SOURCE_SQL_STREAM_001" WHERE "HealthPoints" < 110;

CREATE OR REPLACE STREAM "IN_ROME" ("Name" VARCHAR(80), "Points" INTEGER);
CREATE OR REPLACE PUMP "IN_ROME_PUMP" AS
  INSERT INTO "IN_ROME"
    SELECT STREAM "Name", "MagicPoints" + "HealthPoints"
    FROM "SOURCE_SQL_STREAM_001" WHERE "Site" = 'Rome';
CREATE OR REPLACE STREAM "POINTS" ("Name" VARCHAR(80), "Points" INTEGER, "Rest" INTEGER);
CREATE OR REPLACE PUMP "POINTS_PUMP" AS
  INSERT INTO "POINTS" SELECT STREAM "Name", "Points", MOD("Points", 7) FROM "IN_ROME" WHERE "Points" IS NOT NULL;
