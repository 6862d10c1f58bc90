/** The page's worker: reads both streams, so that the page only has to draw. */

import type { Report, Request } from './protocol.ts';
import { AwsKinesis } from './stream/aws.ts';
import { realClock } from './stream/clock.ts';
import { Watch } from './stream/watch.ts';

let watch: Watch | undefined;
/** The chart that was last requested, which may be before the start. */
let chart: string | null = null;

self.addEventListener('message', (event: MessageEvent<Request>) => {
  const request = event.data;
  switch (request.kind) {
    case 'start':
      // A worker reads one pair of streams for its whole life.
      if (watch !== undefined) return;
      watch = new Watch({
        config: request.config,
        kinesis: new AwsKinesis(request.config),
        clock: realClock,
        random: Math.random,
        post: (report: Report, buffers: ArrayBuffer[]) => self.postMessage(report, { transfer: buffers }),
      });
      watch.chart(chart);
      void watch.run();
      return;
    case 'chart':
      chart = request.name;
      watch?.chart(chart);
      return;
    case 'retry':
      watch?.retry();
      return;
  }
});
