import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Child, isReady } from "./child.ts";
import { Pds } from "./pds.ts";

/** A PLC directory and PDSes on loopback. */
export interface Net {
	plcOrigin: string;
	pdses: readonly Pds[];
	stop: () => Promise<void>;
}

/**
 * Starts a PLC directory and reference PDSes, each in a process of its own, with their data in a temporary folder.
 * @param node the Node that runs them
 */
export async function bootNet(node: string, pdsCount: number): Promise<Net> {
	const folder = mkdtempSync(join(tmpdir(), "standpipe-net-"));
	const running: { stop: () => Promise<void> }[] = [];
	const stop = async (): Promise<void> => {
		await Promise.all(running.map((one) => one.stop()));
		rmSync(folder, { recursive: true, force: true });
	};
	try {
		const plc = new Plc(node);
		running.push(plc);
		const plcOrigin = await plc.origin();
		const pdses = Array.from({ length: pdsCount }, (_, index) => {
			const name = `pds${index + 1}`;
			return new Pds({ node, name, folder: join(folder, name), plcOrigin });
		});
		running.push(...pdses);
		await Promise.all(pdses.map((pds) => pds.start()));
		return { plcOrigin, pdses, stop };
	} catch (error) {
		await stop();
		throw error;
	}
}

/** The reference PLC directory, with its database in memory. */
class Plc {
	readonly #child: Child;
	#port = 0;

	constructor(node: string) {
		this.#child = new Child({
			name: "plc",
			command: [node, join(import.meta.dir, "plc.mjs")],
			env: { LOG_ENABLED: "0" },
			onLine: (line) => {
				if (line.startsWith("{")) this.#port = (JSON.parse(line) as { port: number }).port;
			},
		});
	}

	async origin(): Promise<string> {
		await isReady(this.#child, () => this.#port !== 0);
		return `http://localhost:${this.#port}`;
	}

	stop(): Promise<void> {
		return this.#child.stop();
	}
}
