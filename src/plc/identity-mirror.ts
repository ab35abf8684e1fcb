import { type IdentityMirror, type MirroredResolution, resolutionOfData } from "../identity/mirror.ts";
import { openPatiently } from "../index/open.ts";
import { patienceOf } from "../index/patient-reader.ts";
import { StoreUnavailable } from "../index/store-fault.ts";
import type { Counters } from "../observe/counters.ts";
import { logOf } from "../observe/log.ts";
import { counter } from "../observe/metric.ts";
import { LogLimiter } from "../runtime/log-limiter.ts";
import { openMirrorReader } from "./open.ts";
import type { MirrorReader } from "./store.ts";

const lookups = counter(
	"plc_mirror_lookups_total",
	"DIDs looked up in the mirror: `known`; `unknown`, which are asked for at the directory; `failed`, because its database did",
	"If `failed` grows, mend the mirror's database; if `unknown` grows, the mirror lags or is not complete yet.",
	{ name: "outcome", values: ["known", "unknown", "failed"] },
);

const FAILURE_LINES = { intervalMs: 60_000, keysMax: 1 };

/** Resolves did:plc by the mirror's tables. If they can't be read for now, it knows nothing, and the directory is asked. */
export class StoredMirror implements IdentityMirror {
	readonly #reader: MirrorReader;
	readonly #allowInsecure: boolean;
	readonly #counters: Counters;
	/** The clock that the mirror's times are of, so that a step of it matters only until the mirror is complete again. */
	readonly #clock = Date.now;
	readonly #limiter = new LogLimiter(FAILURE_LINES);

	/** @param allowInsecure as for the resolver */
	constructor(reader: MirrorReader, { allowInsecure, counters }: { allowInsecure: boolean; counters: Counters }) {
		this.#reader = reader;
		this.#allowInsecure = allowInsecure;
		this.#counters = counters;
	}

	async find(did: string): Promise<MirroredResolution | null> {
		try {
			const found = await this.#reader.find(did);
			this.#counters.add(lookups.of(found === null ? "unknown" : "known"));
			if (found === null) return null;
			const { data, completeUntilMs } = found;
			const options = { allowInsecure: this.#allowInsecure };
			const ageMs = Math.max(0, this.#clock() - completeUntilMs);
			return { resolution: resolutionOfData(did, data, completeUntilMs, options), ageMs };
		} catch (error) {
			if (!(error instanceof StoreUnavailable)) throw error;
			this.#counters.add(lookups.of("failed"));
			const omitted = this.#limiter.take("");
			if (omitted !== null)
				logOf("plc").warning("the PLC mirror can't be read, and the directory is asked instead: {detail}", {
					detail: error.message,
					...(omitted > 0 ? { omitted } : {}),
				});
			return null;
		}
	}
}

/** Opens the mirror for a thread that resolves DIDs. Waits for a database on a network. Null if the PLC directory is not mirrored. */
export async function openIdentityMirror(
	config: { plcMirror: boolean; databaseUrl: string; allowInsecureHosts: boolean },
	counters: Counters,
): Promise<IdentityMirror | null> {
	if (!config.plcMirror) return null;
	const { databaseUrl } = config;
	const reader = await openPatiently(databaseUrl, patienceOf(counters), () => openMirrorReader(databaseUrl));
	return new StoredMirror(reader, { allowInsecure: config.allowInsecureHosts, counters });
}
