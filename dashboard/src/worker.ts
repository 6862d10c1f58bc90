/** The worker of either page: reads the streams, so that the page only has to draw. */

import type { OutputView, Report, Request, TableView } from './protocol.ts';
import { AwsKinesis } from './stream/aws.ts';
import { realClock } from './stream/clock.ts';
import { Gate, MAX_CALLS } from './stream/gate.ts';
import { Watch } from './stream/watch.ts';
import { OutputWatch } from './stream/watch_output.ts';

let watch: Watch | undefined;
let outputs: OutputWatch | undefined;
/** The chart and the tables that were last requested, which may be before the start. */
let chart: string | null = null;
let view: TableView | undefined;
let outputView: OutputView | null = null;

self.addEventListener('message', (event: MessageEvent<Request>) => {
  const request = event.data;
  switch (request.kind) {
    case 'start':
      // A worker reads the same streams for its whole life.
      if (outputs === undefined) start(request);
      return;
    case 'chart':
      chart = request.key;
      watch?.chart(chart);
      return;
    case 'table':
      view = request.view;
      watch?.table(view);
      return;
    case 'output':
      outputView = request.view;
      outputs?.show(outputView);
      return;
    case 'retry':
      watch?.retry();
      outputs?.retry();
      return;
  }
});

function start({ config, schema, reads }: Extract<Request, { kind: 'start' }>): void {
  const post = (report: Report, buffers: ArrayBuffer[] = []): void => self.postMessage(report, { transfer: buffers });
  const shared = {
    config,
    kinesis: new AwsKinesis(config),
    clock: realClock,
    random: Math.random,
    gate: new Gate(MAX_CALLS),
    post,
  };
  outputs = new OutputWatch(shared);
  outputs.show(outputView);
  if (schema === undefined) return;
  watch = new Watch({ ...shared, schema, reads });
  watch.chart(chart);
  if (view !== undefined) watch.table(view);
  void watch.run();
}
