/** The worker of either page: reads the streams, so that the page only has to draw. */

import type { Report, Request, TableView } from './protocol.ts';
import { AwsKinesis } from './stream/aws.ts';
import { realClock } from './stream/clock.ts';
import { Watch } from './stream/watch.ts';

let watch: Watch | undefined;
/** The chart and the table that were last requested, which may be before the start. */
let chart: string | null = null;
let view: TableView | undefined;

self.addEventListener('message', (event: MessageEvent<Request>) => {
  const request = event.data;
  switch (request.kind) {
    case 'start':
      // A worker reads the same streams for its whole life.
      if (watch !== undefined) return;
      watch = new Watch({
        config: request.config,
        schema: request.schema,
        reads: request.reads,
        kinesis: new AwsKinesis(request.config),
        clock: realClock,
        random: Math.random,
        post: (report: Report, buffers: ArrayBuffer[]) => self.postMessage(report, { transfer: buffers }),
      });
      watch.chart(chart);
      if (view !== undefined) watch.table(view);
      void watch.run();
      return;
    case 'chart':
      chart = request.key;
      watch?.chart(chart);
      return;
    case 'table':
      view = request.view;
      watch?.table(view);
      return;
    case 'retry':
      watch?.retry();
      return;
  }
});
