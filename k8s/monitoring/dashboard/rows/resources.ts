import { BytesIEC, NoUnit } from "@grafana/grafana-foundation-sdk/units";
import { chart } from "../panel.ts";
import { series, sum } from "../query.ts";
import type { Row } from "../row.ts";

const PROCESS = 'job="standpipe"';

export const resources: Row = {
	title: "What does it cost?",
	panels: [
		chart({
			title: "Cores in use",
			description: "CPU time a second.",
			unit: NoUnit,
			queries: [
				{
					expr: `sum by (instance) (rate(${series("process_cpu_seconds_total", PROCESS)}[$__rate_interval]))`,
					legend: "{{instance}}",
				},
			],
		}),
		chart({
			title: "Resident memory",
			description:
				"Heap that grows for days is a fault. Native memory grows with consumers that don't read, by 1 MiB each.",
			unit: BytesIEC,
			queries: [
				{ expr: sum("standpipe_memory_bytes", "part"), legend: "{{part}}" },
				{ expr: `sum(${series("process_resident_memory_bytes", PROCESS)})`, legend: "all" },
			],
		}),
		chart({
			title: "Heap, by thread",
			description: "If an ingest thread's is large, lower RELAY_IDENT_CACHE_SIZE.",
			unit: BytesIEC,
			queries: [{ expr: sum("standpipe_thread_heap_bytes", "thread"), legend: "{{thread}}" }],
		}),
		chart({
			title: "Files in memory",
			description: "Nearly all of it is the log. If it is small while consumers replay, they read from the disk.",
			unit: BytesIEC,
			queries: [{ expr: sum("standpipe_page_cache_bytes"), legend: "page cache" }],
		}),
		chart({
			title: "Descriptors",
			description: "Each host and each consumer takes one. At the limit consumers are refused.",
			unit: NoUnit,
			queries: [
				{ expr: `max(${series("process_open_fds", PROCESS)})`, legend: "open" },
				{ expr: `min(${series("process_max_fds", PROCESS)})`, legend: "limit" },
			],
		}),
		chart({
			title: "Verified by which engine",
			description: "Ingest threads. The portable engine takes ten times the processor.",
			unit: NoUnit,
			queries: [
				{ expr: sum("standpipe_engines_native"), legend: "native" },
				{ expr: sum("standpipe_engines_portable"), legend: "portable" },
			],
		}),
	],
};
