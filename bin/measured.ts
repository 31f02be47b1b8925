import { statfs } from 'node:fs/promises';
import { EVENT_TYPES } from '../src/contract/messages.ts';
import type { Hub } from '../src/hub/hub.ts';
import type { DecoderPool } from '../src/media/decoder-pool.ts';
import type { Count } from '../src/remote-storage/count.ts';
import type { Requester } from '../src/remote-storage/requester.ts';
import type { Catalog } from '../src/storage-service/catalog/catalog.ts';
import type { SqliteCatalog } from '../src/storage-service/catalog/sqlite/sqlite-catalog.ts';
import type { Damages } from '../src/storage-service/damages.ts';
import type { Scrub } from '../src/storage-service/scrub.ts';
import { countInLog } from '../src/telemetry/count.ts';
import type { Log } from '../src/telemetry/log.ts';
import { standardOutput } from '../src/telemetry/log-output.ts';
import type { Metrics } from '../src/telemetry/metrics.ts';

type MeasuredState = {
  dataDir: string;
  inspector: Pick<DecoderPool, 'load'>;
  damages: Pick<Damages, 'counts'>;
  catalog: Pick<SqliteCatalog, 'damaged'>;
};

/** What an operator watches of the state: its disk, its decoder, and events that are not yet told. */
export function measureState(
  metrics: Metrics,
  { dataDir, inspector, damages, catalog }: MeasuredState,
): void {
  metrics.gauges(
    'dnd_disk_bytes',
    { help: 'The file system of DATA_DIR: free, or size', label: 'what' },
    async () => {
      const { bavail, blocks, bsize } = await statfs(dataDir);
      return { free: bavail * bsize, size: blocks * bsize };
    },
  );
  metrics.gauges(
    'dnd_decoder_jobs',
    { help: 'Images that are being inspected, or wait for it', label: 'state' },
    () => ({ running: inspector.load.jobs, waiting: inspector.load.waiting }),
  );
  metrics.gauge('dnd_catalog_damaged', '1 once damage was met: nothing is written any more', () =>
    catalog.damaged ? 1 : 0,
  );
  metrics.gauge('dnd_decoder_pixels', 'Pixels being decoded', () => inspector.load.pixels);
  metrics.gauges(
    'dnd_damaged_blobs',
    { help: 'Blobs found damaged since the start and not repaired yet', label: 'damage' },
    () => damages.counts,
  );
}

/** Lines that the log of this process could not take. */
export function measureLog(metrics: Metrics): void {
  metrics.totals(
    'dnd_log_lines_lost_total',
    { help: 'Log lines lost because the output could not be written', label: 'reason' },
    () => standardOutput().lost,
  );
}

/** What was read in the background to find damage. */
export function measureScrub(metrics: Metrics, scrub: Pick<Scrub, 'read'>): void {
  metrics.totals(
    'dnd_scrubbed_total',
    { help: 'Stored files read in the background and compared, and their bytes', label: 'what' },
    () => scrub.read,
  );
}

/** How long the oldest event of a change has waited to be published. */
export function measureOutbox(metrics: Metrics, catalog: Pick<Catalog, 'unpublishedEvents'>): void {
  metrics.gauge(
    'dnd_outbox_oldest_event_age_seconds',
    'Since the oldest change whose event is not published; 0: all are',
    async () => {
      const [oldest] = await catalog.unpublishedEvents(1);
      return oldest ? Math.max(0, Date.now() - oldest.created_at) / 1000 : 0;
    },
  );
}

/** Whether messages flow, and of a service that asks, how many requests wait for their answers. */
export function measureHub(
  metrics: Metrics,
  hub: Pick<Hub, 'connected'>,
  requester?: Pick<Requester, 'inFlight'>,
): void {
  metrics.gauge('dnd_hub_connected', '1 while messages can be sent and received', () =>
    hub.connected ? 1 : 0,
  );
  if (!requester) return;
  metrics.gauges(
    'dnd_hub_in_flight',
    { help: 'Requests that wait for their answers: calls, and bytes of them', label: 'what' },
    () => requester.inFlight,
  );
}

/** Messages are counted in the log and for Prometheus. */
export function countMessages(log: Log, metrics: Metrics): Count {
  const inLog = countInLog(log);
  // A series that began with its first message would hide that from whoever looks at increases.
  for (const what of ['late', 'malformed', 'expired', 'dead']) {
    for (const eventType of EVENT_TYPES) metrics.message(what, eventType, 0);
  }
  return (what, eventType) => {
    inLog(what, eventType);
    metrics.message(what, eventType);
  };
}
