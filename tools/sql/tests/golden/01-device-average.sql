-- The average temperature of each device, every ten seconds.
CREATE OR REPLACE STREAM "DESTINATION_SQL_STREAM" ("device_id" VARCHAR(16), "avg_temp" DOUBLE, "readings" INTEGER);

CREATE OR REPLACE PUMP "STREAM_PUMP" AS INSERT INTO "DESTINATION_SQL_STREAM"
SELECT STREAM "device_id", AVG("temperature") AS "avg_temp", COUNT(*) AS "readings"
FROM "SOURCE_SQL_STREAM_001"
GROUP BY "device_id", STEP("SOURCE_SQL_STREAM_001".ROWTIME BY INTERVAL '10' SECOND);
