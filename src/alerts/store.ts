import { open, readFile, rename, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import * as v from "valibot";
import { WEBHOOKS_MAX } from "../config/webhook.ts";
import { isNotFound } from "../disk/fault.ts";
import { logOf } from "../observe/log.ts";
import { messageOf } from "../observe/log-value.ts";
import type { Memory } from "./detect.ts";
import { INCIDENTS_MAX, type IncidentsState, SUBJECTS_NAMED_MAX } from "./incidents.ts";
import { ALERT_KIND_NAMES } from "./kinds.ts";
import { NOTICE_EVENTS } from "./notice.ts";
import { WAITING_MAX, type Waiting } from "./outbox.ts";
import type { Rate } from "./rate.ts";

/** All that has to survive a restart, so that it neither repeats nor forgets an alert. */
export interface AlertsState {
	incidents: IncidentsState;
	memory: Memory | null;
	waiting: readonly Waiting[];
}

export const FILE_NAME = "alerts.json";
/** Above what a file with all limits reached has: 45,000 incidents of 2 kB each, nearly all of them in notices that wait. */
const FILE_BYTES_MAX = 128 * 1024 * 1024;
/** Hosts whose rejections are saved: those with the most of late. A host that is left out has none before the next start, when all counts begin at 0. */
export const HOST_RATES_MAX = 2_000;

const time = v.pipe(v.number(), v.finite());
const count = v.pipe(v.number(), v.finite(), v.minValue(0));
const kind = v.picklist(ALERT_KIND_NAMES);
const severity = v.picklist(["warning", "critical"]);
const told = { subject: v.string(), sinceMs: time, severity, text: v.string() };
const incident = v.object({ kind, ...told, toldAtMs: v.nullable(time) });
const notice = v.object({
	id: v.string(),
	event: v.picklist(NOTICE_EVENTS),
	kind,
	severity,
	atMs: time,
	count,
	incidents: v.pipe(v.array(v.object(told)), v.maxLength(SUBJECTS_NAMED_MAX)),
});
const rate = v.object({ count, atMs: time, bornMs: time, short: count, long: count });
const memory = v.object({
	gaps: count,
	gapAtMs: v.nullable(time),
	rejected: rate,
	rejectedOf: v.pipe(v.array(v.tuple([v.string(), rate])), v.maxLength(HOST_RATES_MAX)),
});
const file = v.object({
	format: v.literal(1),
	notices: count,
	incidents: v.pipe(v.array(v.tuple([v.string(), incident])), v.maxLength(INCIDENTS_MAX)),
	memory: v.nullable(memory),
	waiting: v.pipe(v.array(v.object({ target: v.string(), notice })), v.maxLength(WEBHOOKS_MAX * WAITING_MAX)),
});

const log = logOf("alerts");

function mostOf(rates: Memory["rejectedOf"]): [string, Rate][] {
	return [...rates].sort(([, a], [, b]) => b.long - a.long).slice(0, HOST_RATES_MAX);
}

/** A small file in the log's folder. It is replaced as a whole, so a crash leaves the one before or the new one. */
export class AlertsFile {
	readonly #path: string;

	constructor(directory: string) {
		this.#path = join(directory, FILE_NAME);
	}

	/** What was saved last; null if nothing was, or if it can't be read: then alerts begin anew, which may repeat some. */
	async load(): Promise<AlertsState | null> {
		try {
			if ((await stat(this.#path)).size > FILE_BYTES_MAX) throw new Error(`it has more than ${FILE_BYTES_MAX} bytes`);
			const {
				notices,
				incidents,
				memory: kept,
				waiting,
			} = v.parse(file, JSON.parse(await readFile(this.#path, "utf8")));
			return {
				incidents: { incidents: new Map(incidents), notices },
				memory: kept === null ? null : { ...kept, rejectedOf: new Map(kept.rejectedOf) },
				waiting,
			};
		} catch (error) {
			if (isNotFound(error)) return null;
			log.warning("what was known of alerts can't be read, so some may be repeated: {path}: {fault}", {
				path: this.#path,
				fault: messageOf(error),
			});
			return null;
		}
	}

	/** Resolves when it is durable. Rejects with the system's error. */
	async save({ incidents, memory: kept, waiting }: AlertsState): Promise<void> {
		const text = JSON.stringify({
			format: 1,
			notices: incidents.notices,
			incidents: [...incidents.incidents],
			memory: kept === null ? null : { ...kept, rejectedOf: mostOf(kept.rejectedOf) },
			waiting,
		});
		const draft = `${this.#path}.new`;
		const written = await open(draft, "w", 0o600);
		try {
			await written.writeFile(text);
			await written.sync();
		} finally {
			await written.close();
		}
		await rename(draft, this.#path);
		const folder = await open(dirname(this.#path), "r");
		await folder.sync().finally(() => folder.close());
	}
}
